"""Custom code that changes a flow before it runs: FlowMutator, and what it and StepMutator are given.

Order: `pre_mutate` of flow mutators, then of step mutators, before the command line has parameters; `mutate` in the same
order once `--with` is attached.
"""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Optional, Set, Tuple

from .decorators.spec import parse_args_kwargs
from .errors import (
    DuplicateFlowDecoratorException,
    DuplicateStepDecoratorException,
    MetaflowException,
    MetaflowInternalError,
)
from .user_decorators import ERROR, IGNORE, OVERRIDE, StepMutator, UserStepDecoratorBase, call_init
from .user_names import DecoratorNames

#: A decorator as it was used: shortest name, full name, positional arguments, keyword arguments.
Spec = Tuple[str, str, List[Any], Dict[str, Any]]

_names = DecoratorNames()


def known_flow_decorators() -> List[str]:
    """All names of flow decorators and flow mutators."""
    from .decorators.registry import FLOW_DECORATORS

    return list(_names.shortest(FLOW_DECORATORS).values())


def find_flow_mutator(name: str) -> Any:
    """The mutator, or built-in flow decorator, that `name` names; None if there is none or several."""
    from .decorators.registry import FLOW_DECORATORS, flow_decorator_class

    found = _names.find(name, dict.fromkeys(FLOW_DECORATORS, None))
    return flow_decorator_class(name) if found is None and name in FLOW_DECORATORS else found


class FlowMutatorMeta(type):
    """Names each mutator class `module.Class` and registers it."""

    _import_modules: Set[str] = set()

    def __new__(mcs, name: str, bases: Tuple[type, ...], namespace: Dict[str, Any], **kwargs: Any) -> Any:
        cls: Any = super().__new__(mcs, name, bases, namespace, **kwargs)
        cls.decorator_name = namespace.get("_decorator_name", "%s.%s" % (cls.__module__, cls.__name__))
        if not cls.__module__.startswith(("metaflow.", "headrace.")):
            mcs._import_modules.add(cls.__module__)
            _names.add(cls.decorator_name, cls, bases)
        return cls

    def __str__(cls) -> str:
        return "FlowMutator(%s)" % cls.decorator_name  # type: ignore[attr-defined]

    @classmethod
    def all_decorators(mcs) -> Dict[str, Any]:
        """Shortest unique name -> class, built-in flow decorators included."""
        return {name: find_flow_mutator(name) for name in known_flow_decorators()}

    @classmethod
    def get_decorator_by_name(mcs, decorator_name: str) -> Any:
        """The class that a unique ending of its name names, else None."""
        return find_flow_mutator(decorator_name)

    @classmethod
    def get_decorator_name(mcs, decorator_type: type) -> Optional[str]:
        """The shortest unique name of a class, None if it is not registered."""
        from .decorators.registry import FLOW_DECORATORS

        return _names.shortest(FLOW_DECORATORS).get(getattr(decorator_type, "decorator_name", ""))


class FlowMutator(metaclass=FlowMutatorMeta):
    """Derive from this to change a flow: its parameters, its decorators, its steps' decorators.

    `pre_mutate` may change all of these, `mutate` only the steps' decorators.
    """

    decorator_name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from .flow_state import FlowSpecMeta

        self._flow_cls: Any = None
        self.statically_defined = True
        self.inserted_by: Optional[List[str]] = None
        self._ran_init = False
        self._args: Any = args
        self._kwargs: Dict[str, Any] = kwargs
        if args and isinstance(args[0], (FlowMutator, FlowSpecMeta)):
            self._args = args[1:]
            self._set_flow_cls(args[0]._flow_cls if isinstance(args[0], FlowMutator) else args[0])

    def __mro_entries__(self, bases: Tuple[Any, ...]) -> Tuple[Any, ...]:
        # Used without arguments, the name of a flow is bound to its mutator; deriving from it derives from the flow.
        return (self._flow_cls,)

    def __call__(self, flow_spec: Any = None, **kwargs: Any) -> Any:
        if isinstance(flow_spec, FlowMutator):
            flow_spec = flow_spec._flow_cls
        if flow_spec is not None and not isinstance(flow_spec, bool):
            return self._set_flow_cls(flow_spec)
        if self._flow_cls is None:
            raise MetaflowException("A FlowMutator can only be applied to a FlowSpec")
        return self._flow_cls(**kwargs)

    def __getattr__(self, name: str) -> Any:
        # The same for class attributes: `MyFlow.start` works with a mutator above the class.
        flow_cls = self.__dict__.get("_flow_cls")
        if flow_cls is None or name.startswith("__"):
            raise AttributeError("%s has no attribute %r" % (type(self).__name__, name))
        return getattr(flow_cls, name)

    def _set_flow_cls(self, flow_spec: Any) -> Any:
        from .flow_state import FlowSpecMeta, FlowStateItems

        if not isinstance(flow_spec, FlowSpecMeta):
            raise MetaflowException("A FlowMutator can only be applied to a FlowSpec")
        flow_spec._flow_state.self_data[FlowStateItems.FLOW_MUTATORS].append(self)
        self._flow_cls = flow_spec
        return flow_spec

    def __str__(self) -> str:
        return str(self.__class__)

    @classmethod
    def extract_args_kwargs_from_decorator_spec(cls, deco_spec: str) -> Tuple[List[Any], Dict[str, Any]]:
        """What the attribute part of a spec says; attributes named by a number are positional."""
        return parse_args_kwargs(deco_spec, cls.decorator_name)

    @classmethod
    def parse_decorator_spec(cls, deco_spec: str) -> "FlowMutator":
        """A mutator from the attribute part of a spec, "" for none."""
        args, kwargs = cls.extract_args_kwargs_from_decorator_spec(deco_spec)
        return cls(*args, **kwargs)

    def get_args_kwargs(self) -> Tuple[List[Any], Dict[str, Any]]:
        """The arguments this mutator was used with."""
        return list(self._args), dict(self._kwargs)

    def init(self, *args: Any, **kwargs: Any) -> None:
        """Takes the arguments, in place of `__init__`, once configs have values."""

    init._takes_nothing = True  # type: ignore[attr-defined]

    def external_init(self) -> None:
        """Gives the arguments their final values and calls `init`, once."""
        if not self._ran_init:
            call_init(self)
            self._ran_init = True

    def pre_mutate(self, mutable_flow: "MutableFlow") -> None:
        """Right after configs have values, before the command line is parsed."""

    def mutate(self, mutable_flow: "MutableFlow") -> None:
        """After the command line, `--with` included, was parsed."""

    def add_to_package(self) -> Any:
        """Files to add to the code package: `(path, name in the package[, type])`."""
        return []


def _names_match(short: Optional[str], full: str, query: str) -> bool:
    return query in (full, short) if "." in query else short == query


class _Mutable:
    """What MutableStep and MutableFlow share: who changes what, and when."""

    IGNORE = IGNORE
    ERROR = ERROR
    OVERRIDE = OVERRIDE

    def __init__(
        self, flow_spec: Any, pre_mutate: bool, statically_defined: bool, inserted_by: Optional[List[str]]
    ) -> None:
        if inserted_by is None:
            raise MetaflowException(
                "%s should only be created by StepMutators or FlowMutators. This is an internal error."
                % type(self).__name__
            )
        self._flow_cls = flow_spec
        self._pre_mutate = pre_mutate
        self._statically_defined = statically_defined
        self._inserted_by = inserted_by

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        raise NotImplementedError

    def has_decorator(self, name: str) -> bool:
        """Whether there is a decorator of that short, or (with a period) full, name."""
        return bool(self.get_decorator_specs(name))

    def get_decorator_specs(self, name: str) -> List[Spec]:
        """The specs of all decorators of that short, or (with a period) full, name."""
        return [
            (short, full, list(args), dict(kwargs))
            for short, full, args, kwargs in self.decorator_specs
            if _names_match(short, full, name)
        ]

    def _only_in_pre_mutate(self, doing: str, name: Any) -> None:
        if not self._pre_mutate:
            raise MetaflowException(
                "%s '%s' from %s is only allowed in the `pre_mutate` method and not the `mutate` method"
                % (doing, name, " from ".join(self._inserted_by))
            )

    def _duplicate_stays(self, duplicates: int, error: MetaflowException) -> bool:
        """Whether a decorator that is there already wins over the one to be added."""
        if duplicates not in (IGNORE, ERROR, OVERRIDE):
            raise ValueError("Invalid duplicates value: %s" % duplicates)
        if duplicates == ERROR and self._statically_defined:
            raise error
        return duplicates != OVERRIDE


def _built_in_class(deco_type: Any, base: type) -> Any:
    """The class behind `metaflow.NAME`, which is a `functools.partial`; None if it is no decorator of that kind."""
    args: Any = getattr(deco_type, "args", ())
    if len(args) == 1 and isinstance(args[0], type) and issubclass(args[0], base):
        return args[0]
    return deco_type if isinstance(deco_type, type) and issubclass(deco_type, base) else None


class MutableStep(_Mutable):
    """A step as mutators see it."""

    def __init__(
        self,
        flow_spec: Any,
        step: Any,
        pre_mutate: bool = False,
        statically_defined: bool = False,
        inserted_by: Optional[List[str]] = None,
    ) -> None:
        super().__init__(flow_spec, pre_mutate, statically_defined, inserted_by)
        self._my_step = step

    @property
    def flow(self) -> "MutableFlow":
        """The flow that has this step."""
        return MutableFlow(self._flow_cls, self._pre_mutate, self._statically_defined, self._inserted_by)

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        """All decorators of the step: built-in ones, wrappers, mutators."""
        for deco in self._my_step.decorators:
            args, kwargs = deco.get_args_kwargs()
            yield deco.name, "%s.%s" % (type(deco).__module__, type(deco).__name__), args, kwargs
        seen = set()
        for deco in self._my_step.wrappers + self._my_step.config_decorators:
            if id(deco) not in seen:
                seen.add(id(deco))
                args, kwargs = deco.get_args_kwargs()
                short = UserStepDecoratorBase.get_decorator_name(type(deco))
                yield short or deco.decorator_name, deco.decorator_name, args, kwargs

    def add_decorator(
        self,
        deco_type: Any,
        deco_args: Optional[List[Any]] = None,
        deco_kwargs: Optional[Dict[str, Any]] = None,
        duplicates: int = IGNORE,
    ) -> Any:
        """Adds a decorator: `metaflow.NAME`, a custom class, or a spec as for `--with`; arguments only in one place.

        duplicates: IGNORE keeps a decorator of that name, OVERRIDE replaces it, ERROR refuses if this one is written in
        the source. Returns the decorator added, None if it was not. StepMutators only in `pre_mutate`.
        """
        from .decorators.attach import extract_step_decorator_from_decospec
        from .decorators.base import StepDecorator

        args, kwargs = deco_args or [], deco_kwargs or {}
        if isinstance(deco_type, str):
            deco, has_arguments = extract_step_decorator_from_decospec(deco_type)
            if has_arguments and (args or kwargs):
                raise MetaflowException(
                    "Cannot specify additional arguments when adding a user step decorator using a decospec that "
                    "already has arguments"
                )
            if isinstance(deco, StepDecorator):
                return self._add_built_in(type(deco) if kwargs else deco, args, kwargs, duplicates)
            return self._add_custom(type(deco) if args or kwargs else deco, args, kwargs, duplicates)
        if isinstance(deco_type, type) and issubclass(deco_type, UserStepDecoratorBase):
            return self._add_custom(deco_type, args, kwargs, duplicates)
        cls = _built_in_class(deco_type, StepDecorator)
        if cls is None:
            raise TypeError("add_decorator takes a metaflow decorator or user StepDecorator")
        return self._add_built_in(cls, args, kwargs, duplicates)

    def _add_built_in(self, deco: Any, args: List[Any], kwargs: Dict[str, Any], duplicates: int) -> Any:
        if args:
            raise MetaflowException("Step decorators do not take additional positional arguments")
        if isinstance(deco, type):
            deco = deco(attributes=kwargs)
        step = self._my_step
        if not deco.allow_multiple and any(have.name == deco.name for have in step.decorators):
            if self._duplicate_stays(duplicates, DuplicateStepDecoratorException(deco.name, step)):
                return None
            step.decorators = [have for have in step.decorators if have.name != deco.name]
        deco.statically_defined = self._statically_defined
        deco.inserted_by = self._inserted_by
        step.decorators.append(deco)
        return deco

    def _add_custom(self, deco: Any, args: List[Any], kwargs: Dict[str, Any], duplicates: int) -> Any:
        cls = deco if isinstance(deco, type) else type(deco)
        if issubclass(cls, StepMutator):
            self._only_in_pre_mutate("Adding step mutator", cls.decorator_name)
        if isinstance(deco, type):
            deco = deco(*args, **kwargs)
        added = deco.add_or_raise(self._my_step, self._statically_defined, duplicates, self._inserted_by)
        if added is not None:
            added.external_init()
        return added

    def remove_decorator(
        self, deco_name: str, deco_args: Optional[List[Any]] = None, deco_kwargs: Optional[Dict[str, Any]] = None
    ) -> bool:
        """Removes the decorators of that name, with arguments given only those used with exactly these.

        Returns whether one was removed. StepMutators only in `pre_mutate`.
        """
        any_arguments = deco_args is None and deco_kwargs is None
        wanted = (deco_args or [], deco_kwargs or {})

        def matches(deco: Any) -> bool:
            return any_arguments or deco.get_args_kwargs() == wanted

        removed = False
        custom = UserStepDecoratorBase.get_decorator_by_name(deco_name)
        if custom is not None and issubclass(custom, UserStepDecoratorBase):
            for field in ("config_decorators", "wrappers"):
                kept = []
                for deco in getattr(self._my_step, field):
                    if deco.decorator_name != custom.decorator_name or not matches(deco):
                        kept.append(deco)
                        continue
                    if isinstance(deco, StepMutator):
                        self._only_in_pre_mutate("Removing step mutator", deco.decorator_name)
                    removed = True
                setattr(self._my_step, field, kept)
        if removed:
            return True
        have = self._my_step.decorators
        self._my_step.decorators = [deco for deco in have if deco.name != deco_name or not matches(deco)]
        return len(self._my_step.decorators) < len(have)


class MutableFlow(_Mutable):
    """A flow as mutators see it. Its steps, configs and parameters are attributes too."""

    def __init__(
        self,
        flow_spec: Any,
        pre_mutate: bool = False,
        statically_defined: bool = False,
        inserted_by: Optional[List[str]] = None,
    ) -> None:
        super().__init__(flow_spec, pre_mutate, statically_defined, inserted_by)

    def _state(self, item: str) -> Any:
        from .flow_state import FlowStateItems

        return self._flow_cls._flow_state[FlowStateItems[item]]

    def _forget_parameters(self) -> None:
        from .flow_state import FlowStateItems

        self._flow_cls._flow_state[FlowStateItems.CACHED_PARAMETERS] = None

    def _change_decorators(self, name: str, decos: List[Any]) -> None:
        """Makes `decos` all decorators of that name, in the flow's own state and in what it inherited."""
        from .flow_state import FlowStateItems

        state = self._flow_cls._flow_state
        inherited = state.inherited_data.get(FlowStateItems.FLOW_DECORATORS, {})
        inherited.pop(name, None)
        own = state.self_data[FlowStateItems.FLOW_DECORATORS]
        if decos:
            own[name] = decos
        else:
            own.pop(name, None)

    @property
    def decorator_specs(self) -> Iterator[Spec]:
        """All decorators of the flow and its mutators."""
        for decos in self._state("FLOW_DECORATORS").values():
            for deco in decos:
                args, kwargs = deco.get_args_kwargs()
                yield deco.name, "%s.%s" % (type(deco).__module__, type(deco).__name__), args, kwargs
        for mutator in self._state("FLOW_MUTATORS"):
            short = FlowMutatorMeta.get_decorator_name(type(mutator)) or type(mutator).__name__
            yield short, mutator.decorator_name, list(mutator._args), dict(mutator._kwargs)

    @property
    def configs(self) -> Iterator[Tuple[str, Any]]:
        """`(name, value)` of the flow's Configs."""
        from .user_configs import ConfigValue

        for name, (value, plain) in self._state("CONFIGS").items():
            yield name, value if plain or value is None else ConfigValue(value)

    @property
    def parameters(self) -> Iterator[Tuple[str, Any]]:
        """`(attribute name, Parameter)` of the flow's Parameters."""
        for name, parameter in list(self._flow_cls._get_parameters()):
            if not parameter.IS_CONFIG_PARAMETER:
                yield name, parameter

    @property
    def steps(self) -> Iterator[Tuple[str, MutableStep]]:
        """`(name, step)` of the flow's steps, in no particular order."""
        for name in dir(self._flow_cls):
            value = getattr(self._flow_cls, name, None)
            if callable(value) and hasattr(value, "is_step"):
                yield name, self._mutable_step(value)

    def _mutable_step(self, step: Any) -> MutableStep:
        return MutableStep(self._flow_cls, step, self._pre_mutate, self._statically_defined, self._inserted_by)

    def add_parameter(self, name: str, value: Any, overwrite: bool = False) -> None:
        """Adds a Parameter or IncludeFile as class attribute `name`. Only in `pre_mutate`."""
        from .parameters import Parameter

        self._only_in_pre_mutate("Adding parameter", name)
        if hasattr(self._flow_cls, name) and not overwrite:
            raise MetaflowException(
                "Flow '%s' already has a class member '%s' -- set overwrite=True in add_parameter to overwrite it."
                % (self._flow_cls.__name__, name)
            )
        if not isinstance(value, Parameter) or value.IS_CONFIG_PARAMETER:
            raise MetaflowException(
                "Only a Parameter or an IncludeFile can be added using `add_parameter`; got %s" % type(value)
            )
        setattr(self._flow_cls, name, value)
        self._forget_parameters()

    def remove_parameter(self, parameter_name: str) -> bool:
        """Removes the Parameter of that name (its own, not the attribute's). Returns whether there was one."""
        self._only_in_pre_mutate("Removing parameter", parameter_name)
        for attribute, parameter in list(self.parameters):
            if parameter.name == parameter_name:
                delattr(self._flow_cls, attribute)
                self._forget_parameters()
                return True
        return False

    def add_decorator(
        self,
        deco_type: Any,
        deco_args: Optional[List[Any]] = None,
        deco_kwargs: Optional[Dict[str, Any]] = None,
        duplicates: int = IGNORE,
    ) -> Any:
        """Adds a flow decorator or a FlowMutator; arguments and result as `MutableStep.add_decorator`."""
        from .decorators.attach import extract_flow_decorator_from_decospec
        from .decorators.base import FlowDecorator

        shown = getattr(deco_type, "decorator_name", None) or getattr(
            _built_in_class(deco_type, FlowDecorator), "name", deco_type
        )
        self._only_in_pre_mutate("Adding flow-decorator", shown)
        args, kwargs = deco_args or [], deco_kwargs or {}
        if isinstance(deco_type, str):
            deco, has_arguments = extract_flow_decorator_from_decospec(deco_type)
            if has_arguments and (args or kwargs):
                raise MetaflowException(
                    "Cannot specify additional arguments when adding a flow decorator using a decospec that already "
                    "contains arguments"
                )
            if isinstance(deco, FlowMutator):
                return self._add_mutator(type(deco)(*args, **kwargs) if args or kwargs else deco, duplicates)
            return self._add_built_in(type(deco) if kwargs else deco, args, kwargs, duplicates)
        if isinstance(deco_type, type) and issubclass(deco_type, FlowMutator):
            return self._add_mutator(deco_type(*args, **kwargs), duplicates)
        cls = _built_in_class(deco_type, FlowDecorator)
        if cls is None:
            raise TypeError("add_decorator takes a FlowDecorator or FlowMutator")
        return self._add_built_in(cls, args, kwargs, duplicates)

    def _add_built_in(self, deco: Any, args: List[Any], kwargs: Dict[str, Any], duplicates: int) -> Any:
        if args:
            raise MetaflowException("Flow decorators do not take additional positional arguments")
        if isinstance(deco, type):
            deco = deco(attributes=kwargs)
        have = list(self._state("FLOW_DECORATORS").get(deco.name, []))
        if have and not deco.allow_multiple:
            if self._duplicate_stays(duplicates, DuplicateFlowDecoratorException(deco.name)):
                return None
            have = []
        deco.statically_defined = self._statically_defined
        deco.inserted_by = self._inserted_by
        self._change_decorators(deco.name, have + [deco])
        return deco

    def _add_mutator(self, mutator: FlowMutator, duplicates: int) -> Any:
        # The list itself is changed, not replaced: the `pre_mutate` phase is walking along it and comes to the new one.
        running = self._state("FLOW_MUTATORS")
        own = self._flow_cls._flow_state._self_data[_flow_mutators_key()]
        if any(have.decorator_name == mutator.decorator_name for have in running):
            error = MetaflowException("Duplicate FlowMutator '%s' on flow" % mutator.decorator_name)
            if self._duplicate_stays(duplicates, error):
                return None
            for mutators in (running, own):
                mutators[:] = [have for have in mutators if have.decorator_name != mutator.decorator_name]
        mutator.statically_defined = self._statically_defined
        mutator.inserted_by = self._inserted_by
        mutator._flow_cls = self._flow_cls
        mutator.external_init()
        running.append(mutator)
        own.append(mutator)
        return mutator

    def remove_decorator(
        self, deco_name: str, deco_args: Optional[List[Any]] = None, deco_kwargs: Optional[Dict[str, Any]] = None
    ) -> bool:
        """As `MutableStep.remove_decorator`, for flow decorators; a FlowMutator cannot be removed. Only in `pre_mutate`."""
        self._only_in_pre_mutate("Removing flow-decorator", deco_name)
        for mutator in self._state("FLOW_MUTATORS"):
            short = FlowMutatorMeta.get_decorator_name(type(mutator)) or type(mutator).__name__
            if _names_match(short, mutator.decorator_name, deco_name):
                raise MetaflowException(
                    "Cannot remove FlowMutator '%s'. FlowMutators are processed during iteration and cannot be "
                    "removed. Only FlowDecorators (e.g. @project, @schedule) can be removed." % deco_name
                )
        have = self._state("FLOW_DECORATORS").get(deco_name, [])
        if deco_args is None and deco_kwargs is None:
            kept: List[Any] = []
        else:
            wanted = (deco_args or [], deco_kwargs or {})
            kept = [deco for deco in have if deco.get_args_kwargs() != wanted]
        if len(kept) == len(have):
            return False
        self._change_decorators(deco_name, kept)
        return True

    def __getattr__(self, name: str) -> Any:
        from .parameters import Parameter
        from .user_configs import ConfigValue

        if name.startswith("__") or "_flow_cls" not in self.__dict__:
            raise AttributeError(name)
        value = getattr(self._flow_cls, name)
        if callable(value) and hasattr(value, "is_step"):
            return self._mutable_step(value)
        if not name.startswith("_") and name not in self._flow_cls._NON_PARAMETERS:
            if isinstance(value, (Parameter, ConfigValue)):
                return value
        raise AttributeError("Flow '%s' has no step, parameter or config '%s'" % (self._flow_cls.__name__, name))


def _flow_mutators_key() -> Any:
    from .flow_state import FlowStateItems

    return FlowStateItems.FLOW_MUTATORS


def run_mutate(cls: Any) -> None:
    """The `mutate` phase: of the flow's mutators, then of each step's, then the graph is made again."""
    from .flow_state import FlowStateItems

    for mutator in cls._flow_state[FlowStateItems.FLOW_MUTATORS]:
        if not isinstance(mutator, FlowMutator):
            raise MetaflowInternalError("A non FlowMutator found in flow custom decorators")
        inserted_by = [mutator.decorator_name] + (mutator.inserted_by or [])
        mutator.mutate(MutableFlow(cls, False, mutator.statically_defined, inserted_by))
        cls._flow_state[FlowStateItems.CACHED_PARAMETERS] = None
    for step in cls._steps:
        for deco in step.config_decorators:
            if not isinstance(deco, StepMutator):
                raise MetaflowInternalError("A non StepMutator found in step custom decorators")
            if deco._mutate_called:
                continue
            inserted_by = [deco.decorator_name] + (deco.inserted_by or [])
            deco.mutate(MutableStep(cls, step, False, deco.statically_defined, inserted_by))
            deco._mutate_called = True
        if step.config_decorators:
            # The class attribute is the mutator, which stands for its step; from here on it is the step itself.
            setattr(cls, step.name, step)
    cls._init_graph()
