"""Step decorators that users write: `user_step_decorator`, `UserStepDecorator`, and the base of `StepMutator`.

A wrapper's `pre_step` runs before the step and its `post_step` after it, before artifacts are saved. Of several wrappers
the outermost one's `pre_step` runs first and its `post_step` last; `run_wrapped` is that order.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Set, Tuple, Union

from .decorators.base import _may_hold_config
from .decorators.spec import make_spec, parse_args_kwargs
from .errors import DuplicateStepDecoratorException, MetaflowException
from .user_names import DecoratorNames

#: Yielded by a generator, skips the step.
USER_SKIP_STEP: Dict[str, Any] = {}

#: What to do with a decorator that is there already; names are on MutableStep and MutableFlow.
IGNORE, ERROR, OVERRIDE = 1, 2, 3

_names = DecoratorNames()


def known_step_decorators() -> List[str]:
    """All names that `--with` takes, built-in ones included."""
    from .decorators.registry import STEP_DECORATORS

    return list(_names.shortest(STEP_DECORATORS).values())


def find_step_decorator(name: str) -> Any:
    """The custom step decorator that `name` names, or a built-in one; None if there is none or several."""
    from .decorators.registry import STEP_DECORATORS, step_decorator_class

    found = _names.find(name, dict.fromkeys(STEP_DECORATORS, None))
    return step_decorator_class(name) if found is None and name in STEP_DECORATORS else found


class UserStepDecoratorMeta(type):
    """Names each decorator class `module.Class` and registers it."""

    _import_modules: Set[str] = set()

    def __new__(mcs, name: str, bases: Tuple[type, ...], namespace: Dict[str, Any], **kwargs: Any) -> Any:
        cls: Any = super().__new__(mcs, name, bases, namespace, **kwargs)
        cls.decorator_name = namespace.get("_decorator_name", "%s.%s" % (cls.__module__, cls.__name__))
        module = getattr(cls, "_original_module", cls.__module__)
        if not module.startswith(("metaflow.", "headrace.")):
            mcs._import_modules.add(module)
            _names.add(cls.decorator_name, cls, bases)
        return cls

    def __str__(cls) -> str:
        shown = "UserStepDecorator" if cls.__name__ == "WrapClass" else cls.__name__
        return "%s(%s)" % (shown, getattr(cls, "decorator_name", None))

    @classmethod
    def all_decorators(mcs) -> Dict[str, Any]:
        """Shortest unique name -> class, built-in ones included."""
        return {name: find_step_decorator(name) for name in known_step_decorators()}

    @classmethod
    def get_decorator_by_name(mcs, decorator_name: str) -> Any:
        """The class that a unique ending of its name names, else None."""
        return find_step_decorator(decorator_name)

    @classmethod
    def get_decorator_name(mcs, decorator_type: type) -> Optional[str]:
        """The shortest unique name of a class, None if it is not registered."""
        from .decorators.registry import STEP_DECORATORS

        return _names.shortest(STEP_DECORATORS).get(getattr(decorator_type, "decorator_name", ""))


class UserStepDecoratorBase(metaclass=UserStepDecoratorMeta):
    """What wrappers and mutators of steps have in common: used with or without arguments above `@step`.

    Raises MetaflowException when it is given arguments that it does not take.
    """

    _step_field: Optional[str] = None
    _allowed_args: bool = False
    _allowed_kwargs: Union[bool, List[str]] = False
    _my_step: Any = None
    decorator_name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._mutate_called = False
        self._mutate_inserted: Dict[str, Set[int]] = {"decorators": set(), "wrappers": set()}
        self._ran_init = False
        self.statically_defined = kwargs.pop("_statically_defined", True)
        self.inserted_by = kwargs.pop("_inserted_by", None)
        self._args: Any = args
        self._kwargs: Dict[str, Any] = kwargs
        step = getattr(args[0], "_my_step", None) or args[0] if args else None
        if callable(step) and hasattr(step, "is_step"):
            self._args = args[1:]
            self._set_my_step(step)
        if self._args and not self._allowed_args:
            raise MetaflowException("%s does not allow arguments" % self)
        if self._kwargs and not self._allowed_kwargs:
            raise MetaflowException("%s does not allow keyword arguments" % self)
        if isinstance(self._allowed_kwargs, list) and any(key not in self._allowed_kwargs for key in self._kwargs):
            raise MetaflowException(
                "%s only allows the following keyword arguments: %s" % (self, ", ".join(self._allowed_kwargs))
            )

    def __get__(self, instance: Any, owner: Any) -> Any:
        # A decorator without arguments stands in the class in place of its step, so it must bind as the step would.
        return self().__get__(instance, owner)

    def __call__(self, step: Any = None, **special: Any) -> Any:
        self.statically_defined = special.get("_statically_defined", self.statically_defined)
        self.inserted_by = special.get("_inserted_by", self.inserted_by)
        if step is not None:
            step = getattr(step, "_my_step", None) or step
            if not hasattr(step, "is_step"):
                raise MetaflowException("%s can only be applied to a step function" % self)
            return self._set_my_step(step)
        if self._my_step is None:
            raise MetaflowException("%s can only be applied to a step function" % self)
        return self._my_step

    def _set_my_step(self, step: Any) -> Any:
        if self._step_field is None:
            raise RuntimeError("%s must derive from UserStepDecorator or StepMutator" % type(self).__name__)
        self._my_step = step
        for field in self._all_step_fields():
            getattr(step, field).append(self)
        return step

    def _all_step_fields(self) -> List[str]:
        """The lists of a step that hold this decorator: a class may be a wrapper and a mutator."""
        fields = [cls.__dict__.get("_step_field") for cls in type(self).__mro__]
        return list(dict.fromkeys(field for field in fields if field))

    def add_or_raise(
        self, step: Any, statically_defined: bool, duplicates: int, inserted_by: Any = None
    ) -> Optional["UserStepDecoratorBase"]:
        """Puts this decorator on a step. None if one of that name is there and stays."""
        if self._step_field is None:
            raise RuntimeError("%s must derive from UserStepDecorator or StepMutator" % type(self).__name__)
        if any(deco.decorator_name == self.decorator_name for deco in getattr(step, self._step_field)):
            if duplicates == ERROR and statically_defined:
                raise DuplicateStepDecoratorException(self.decorator_name, step)
            if duplicates != OVERRIDE:
                return None
            for field in self._all_step_fields():
                kept = [deco for deco in getattr(step, field) if deco.decorator_name != self.decorator_name]
                setattr(step, field, kept)
        self(step, _statically_defined=statically_defined, _inserted_by=inserted_by)
        return self

    def __str__(self) -> str:
        return str(self.__class__)

    @classmethod
    def get_decorator_by_name(cls, decorator_name: str) -> Any:
        """As `UserStepDecoratorMeta.get_decorator_by_name`."""
        return find_step_decorator(decorator_name)

    @classmethod
    def get_decorator_name(cls, decorator_type: type) -> Optional[str]:
        """As `UserStepDecoratorMeta.get_decorator_name`."""
        return UserStepDecoratorMeta.get_decorator_name(decorator_type)

    @classmethod
    def extract_args_kwargs_from_decorator_spec(cls, deco_spec: str) -> Tuple[List[Any], Dict[str, Any]]:
        """What the attribute part of a spec says; attributes named by a number are positional."""
        return parse_args_kwargs(deco_spec, cls.decorator_name)

    @classmethod
    def parse_decorator_spec(cls, deco_spec: str) -> "UserStepDecoratorBase":
        """A decorator from the attribute part of a spec, "" for none."""
        args, kwargs = cls.extract_args_kwargs_from_decorator_spec(deco_spec)
        return cls(*args, **kwargs)

    def make_decorator_spec(self) -> str:
        """The spec from which `parse_decorator_spec` makes this decorator again."""
        self.external_init()
        return make_spec(self.decorator_name, {**dict(enumerate(self._args)), **self._kwargs})

    def get_args_kwargs(self) -> Tuple[List[Any], Dict[str, Any]]:
        """The arguments this decorator was used with."""
        return list(self._args), dict(self._kwargs)

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Takes the arguments, in place of `__init__`, once configs have values."""

    def external_init(self) -> None:
        """Gives the arguments their final values and calls `init`, once."""
        if self._ran_init:
            return
        call_init(self)
        self._ran_init = True


UserStepDecoratorBase.init._takes_nothing = True  # type: ignore[attr-defined]


def call_init(deco: Any) -> None:
    """`init` of a custom decorator or mutator with its arguments; MetaflowException if it has some but no `init`."""
    if _may_hold_config(list(deco._args)) or _may_hold_config(deco._kwargs):
        from .user_configs import resolve_delayed_evaluator, unpack_delayed_evaluator

        deco._args = [resolve_delayed_evaluator(arg) for arg in deco._args]
        kwargs, _ = unpack_delayed_evaluator(deco._kwargs)
        deco._kwargs = {key: resolve_delayed_evaluator(value) for key, value in kwargs.items()}
    if not getattr(type(deco).init, "_takes_nothing", False):
        deco.init(*deco._args, **deco._kwargs)
    elif deco._args or deco._kwargs:
        raise MetaflowException("%s is used with arguments but does not implement init" % deco)


class UserStepDecorator(UserStepDecoratorBase):
    """Derive from this to run code before and after steps; takes keyword arguments, given to `init`."""

    _step_field = "wrappers"
    _allowed_args = False
    _allowed_kwargs = True

    def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Optional[Callable[..., Any]]:
        """Before the step. inputs: of a join, else None. A function that is returned runs in the step's place."""
        return None

    def post_step(self, step_name: str, flow: Any, exception: Optional[BaseException] = None) -> Any:
        """After the step, also when it raised.

        Returns the exception to raise, None for success, or a pair of that and the arguments of a call of `self.next`
        ({}: those of the step; None: no call).
        """
        return exception, None

    @property
    def skip_step(self) -> Union[bool, Dict[str, Any]]:
        """True or the arguments of `self.next`: what this decorator wraps does not run."""
        return getattr(self, "_skip_step", False)

    @skip_step.setter
    def skip_step(self, value: Union[bool, Dict[str, Any]]) -> None:
        self._skip_step = value


def user_step_decorator(*args: Any, **kwargs: Any) -> Any:
    """Makes a step decorator of a generator function `f(step_name, flow, inputs[, attributes])`.

    What stands before its one `yield` runs before the step, the rest after it; an exception of the step is raised at the
    yield, and caught there it makes the step a success. Yielding a dict skips the step (its items are arguments of
    `self.next`, none for the step's own); yielding a function runs that in the step's place.
    """
    if not args:
        return lambda function: user_step_decorator(function, **kwargs)
    function: Any = args[0]
    # co_flags 0x20 marks a generator function; asking `inspect` would cost its import.
    code = getattr(function, "__code__", None)
    if code is None or not code.co_flags & 0x20:
        raise MetaflowException("@user_step_decorator can only decorate generator functions.")
    # Positional and keyword-only parameters, then *args (0x04) and **kwargs (0x08).
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & 0x04) + bool(code.co_flags & 0x08)
    if kwargs and count != 4:
        raise MetaflowException(
            "@user_step_decorator(<kwargs>) can only decorate generator functions with 4 arguments "
            "(step_name, flow, inputs, attributes)"
        )
    if count not in (3, 4):
        raise MetaflowException(
            "@user_step_decorator can only decorator generator functions with 3 or 4 arguments "
            "(step_name, flow, inputs [, attributes])."
        )
    return _wrap_generator(function, count == 4)


def _wrap_generator(function: Any, takes_attributes: bool) -> Any:
    class WrapClass(UserStepDecorator):
        _allowed_args = False
        _allowed_kwargs = True
        _step_field = "wrappers"
        _decorator_name = "%s.%s" % (function.__module__, function.__name__)
        _original_module = function.__module__

        def init(self, *args: Any, **kwargs: Any) -> None:
            if args:
                raise MetaflowException("%s does not allow arguments, only keyword arguments" % self)
            self._kwargs = kwargs

        def pre_step(self, step_name: str, flow: Any, inputs: Any = None) -> Any:
            more = (self._kwargs,) if takes_attributes else ()
            self._generator = function(step_name, flow, inputs, *more)
            try:
                value = self._generator.send(None)
            except StopIteration:
                raise MetaflowException(
                    "%s ended before its `yield`, so the step did not run. To skip a step on purpose, yield "
                    "USER_SKIP_STEP." % self
                ) from None
            if isinstance(value, dict):
                self.skip_step = value or True
                return None
            return value

        def post_step(self, step_name: str, flow: Any, exception: Optional[BaseException] = None) -> Any:
            try:
                if exception is not None:
                    self._generator.throw(exception)
                else:
                    self._generator.send(None)
            except StopIteration as stop:
                return stop.value
            except Exception as raised:
                return raised
            return None, None, MetaflowException("%s should only yield once" % self)

    WrapClass.__doc__ = function.__doc__
    return WrapClass


class StepMutator(UserStepDecoratorBase):
    """Derive from this to look at a step and change its decorators before anything runs."""

    _step_field = "config_decorators"
    _allowed_args = True
    _allowed_kwargs = True

    def pre_mutate(self, mutable_step: Any) -> None:
        """Right after configs have values, before the command line is parsed."""

    def mutate(self, mutable_step: Any) -> None:
        """After the command line, `--with` included, was parsed."""

    def add_to_package(self) -> Any:
        """Files to add to the code package: `(path, name in the package[, type])`."""
        return []


def run_wrapped(step_function: Callable[..., Any], wrappers: List[Any], flow: Any, node: Any, inputs: Any = None) -> None:
    """Runs a step inside its wrappers.

    step_function: the step, as `task_decorate` left it. wrappers: the step's, innermost first. node: the step in the
    graph. inputs: of a join, else None. Calls `flow.next` where a wrapper skipped or replaced the step. Raises what the
    step raised, unless a wrapper took it.
    """
    if not wrappers:
        step_function(*(() if inputs is None else (inputs,)))
        return
    entered: List[Any] = []
    replacement = None
    next_args: Any = None
    for wrapper in reversed(wrappers):
        replacement = wrapper.pre_step(node.name, flow, inputs)
        entered.append(wrapper)
        if wrapper.skip_step:
            next_args = wrapper.skip_step
            break
        if replacement:
            break
    raised: Optional[BaseException] = None
    failed = False
    arguments = () if inputs is None else (inputs,)
    try:
        if next_args:
            pass
        elif replacement:
            next_args = replacement(flow, *arguments) or None
        else:
            step_function(*arguments)
    except Exception as error:
        raised, failed = error, True
    for wrapper in reversed(entered):
        try:
            result = wrapper.post_step(node.name, flow, raised)
        except Exception as error:
            result = error
        if result is None or isinstance(result, Exception):
            raised = result
        elif isinstance(result, tuple) and len(result) == 2:
            raised, next_args = result
        elif isinstance(result, tuple) and len(result) == 3:
            raise result[2]
        else:
            raise RuntimeError(
                "Invalid return value from a UserStepDecorator. Expected an exception or an exception and arguments "
                "for self.next, got: %s" % (result,)
            )
    if raised is not None:
        raise raised
    if failed or (next_args is not None and next_args is not False):
        _call_next(flow, node, next_args)


def _call_next(flow: Any, node: Any, next_args: Any) -> None:
    """The `self.next` that the step itself did not reach."""
    targets = [getattr(flow, name) for name in node.out_funcs]
    if not targets:
        return
    flow._transition = None
    if isinstance(next_args, dict) and next_args:
        flow.next(*targets, **next_args)
        return
    if next_args not in (None, True, {}):
        raise RuntimeError("Invalid value passed to self.next; expected bool or a dictionary; got: %s" % (next_args,))
    if node.parallel_foreach:
        raise RuntimeError(
            "Skipping a parallel foreach step without providing the arguments to the self.next call is not supported. "
        )
    if node.type == "split-switch":
        cases = {case: getattr(flow, name) for case, name in node.switch_cases.items()}
        flow.next(cases, condition=node.condition)
    elif node.foreach_param:
        flow.next(*targets, foreach=node.foreach_param)
    else:
        flow.next(*targets)


def wrap_step(step_function: Callable[..., Any], flow: Any, original: Any, node: Any) -> Callable[..., Any]:
    """A function to call in place of `step_function`, with `inputs` for a join.

    original: the step as the class has it, which carries the wrappers. Without wrappers it is `step_function` itself.
    """
    wrappers = getattr(original, "wrappers", None)
    if not wrappers:
        return step_function
    return lambda inputs=None: run_wrapped(step_function, list(wrappers), flow, node, inputs)
