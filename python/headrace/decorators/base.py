"""What every built-in decorator is made of: attributes with defaults, and hooks that the command line and a task call.

Hook names and arguments are Metaflow's, so a decorator written against `metaflow.decorators` works here. Order of one
attempt in a task process: `task_pre_step`, `task_decorate`, the step, then `task_post_step` or `task_exception`, then
`task_finished`. `runtime_*` hooks are called once, before the engine starts, with what is known then.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from ..errors import InvalidDecoratorAttribute, MetaflowException
from .spec import make_spec, parse_attributes

#: Keys of attributes that are a whole config to be unpacked (`@retry(**config)`) begin with this.
UNPACK_KEY = "_unpacked_delayed_"


class Decorator:
    """name, defaults, allow_multiple: set by the class. attributes: defaults and what the user gave.

    Raises InvalidDecoratorAttribute for an attribute that `defaults` does not name.
    """

    name = "NONAME"
    defaults: Dict[str, Any] = {}
    allow_multiple = False

    def __init__(
        self,
        attributes: Optional[Dict[str, Any]] = None,
        statically_defined: bool = False,
        inserted_by: Optional[List[str]] = None,
    ) -> None:
        self.attributes: Dict[str, Any] = self.defaults.copy()
        self.statically_defined = statically_defined
        self.inserted_by = inserted_by
        self._user_defined_attributes: Set[str] = set()
        self._ran_init = False
        for key, value in (attributes or {}).items():
            unpacked = isinstance(key, str) and key.startswith(UNPACK_KEY)
            if key not in self.defaults and not unpacked:
                raise InvalidDecoratorAttribute(self.name, key, self.defaults)
            self.attributes[key] = value
            if not unpacked:
                self._user_defined_attributes.add(key)

    def init(self) -> None:
        """What a subclass would do in `__init__`; runs once configs have values."""

    def external_init(self) -> None:
        """Gives the attributes their final values and calls `init`, once."""
        if self._ran_init:
            return
        if _may_hold_config(self.attributes):
            from ..user_configs import resolve_delayed_evaluator, unpack_delayed_evaluator

            self.attributes, unpacked = unpack_delayed_evaluator(self.attributes)
            self._user_defined_attributes.update(unpacked)
            self.attributes = resolve_delayed_evaluator(self.attributes, to_dict=True)
        self.init()
        self._ran_init = True

    @classmethod
    def extract_args_kwargs_from_decorator_spec(cls, deco_spec: str) -> Tuple[List[Any], Dict[str, Any]]:
        """What the attribute part of a spec says, as arguments."""
        return [], dict(parse_attributes(deco_spec, cls.name))

    @classmethod
    def parse_decorator_spec(cls, deco_spec: str) -> "Decorator":
        """A decorator from the attribute part of a spec, "" for none."""
        if not deco_spec:
            return cls()
        _, attributes = cls.extract_args_kwargs_from_decorator_spec(deco_spec)
        return cls(attributes=attributes)

    def make_decorator_spec(self) -> str:
        """The spec from which `parse_decorator_spec` makes this decorator again."""
        self.external_init()
        return make_spec(self.name, self.attributes)

    def get_args_kwargs(self) -> Tuple[List[Any], Dict[str, Any]]:
        """The arguments this decorator was made with, defaults included."""
        return [], dict(self.attributes)

    def __str__(self) -> str:
        mode = "static" if self.statically_defined else "dynamic"
        if self.inserted_by:
            mode += " (inserted by %s)" % " from ".join(self.inserted_by)
        attributes = "".join(" %s=%s" % item for item in self.attributes.items())
        return "%s<%s%s>" % (self.name, mode, attributes)

    @property
    def system_ctx(self) -> Any:
        """The flow, the graph, and where in a run the process is (`metaflow.system_context`)."""
        from ..system_context import system_context

        return system_context


def whole_number(deco: Decorator, name: str) -> int:
    """An attribute that counts something; text, as `--with` gives it, is read. Raises MetaflowException."""
    value = deco.attributes[name]
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = -1
    if number < 0:
        raise MetaflowException("@%s(%s=...) takes a whole number, 0 or more, not %r." % (deco.name, name, value))
    return number


def _may_hold_config(value: Any) -> bool:
    """Whether a config's value may stand anywhere in `value`; plain data needs no look at the config module."""
    if value is None or isinstance(value, (str, bytes, int, float, bool)):
        return False
    if type(value) is dict:
        return any(
            (isinstance(k, str) and k.startswith(UNPACK_KEY)) or _may_hold_config(k) or _may_hold_config(v)
            for k, v in value.items()
        )
    if type(value) in (list, tuple, set, frozenset):
        return any(map(_may_hold_config, value))
    return True


class FlowDecorator(Decorator):
    """A decorator of the flow's class. options: command-line options it adds, name -> arguments of `click.Option`."""

    options: Dict[str, Dict[str, Any]] = {}
    flow_init_ctx: Optional[Callable[..., None]] = None

    def flow_init(
        self,
        flow: Any,
        graph: Any,
        environment: Any,
        flow_datastore: Any,
        metadata: Any,
        logger: Any,
        echo: Any,
        options: Dict[str, Any],
    ) -> None:
        """All decorators of the flow exist. options: the values of this decorator's `options`."""

    def get_top_level_options(self) -> List[Tuple[str, Any]]:
        """Pairs of option and value that a new process of the same run needs."""
        return []

    def add_to_package(self) -> Iterable[Tuple[Any, ...]]:
        """Files to add to the code package: `(path, name in the package[, type])`."""
        return []


class StepDecorator(Decorator):
    """A decorator of a step; each step has an instance of its own."""

    step_init_ctx: Optional[Callable[..., None]] = None
    package_init_ctx: Optional[Callable[..., None]] = None
    runtime_init_ctx: Optional[Callable[..., None]] = None
    runtime_task_created_ctx: Optional[Callable[..., None]] = None
    runtime_step_cli_ctx: Optional[Callable[..., None]] = None
    runtime_finished_ctx: Optional[Callable[..., None]] = None
    task_pre_step_ctx: Optional[Callable[..., None]] = None
    task_decorate_ctx: Optional[Callable[..., Any]] = None
    task_step_completed_ctx: Optional[Callable[..., Any]] = None
    task_finished_ctx: Optional[Callable[..., None]] = None

    #: Whether `@conda` may give the step another interpreter.
    supports_conda_environment = False

    def step_init(
        self,
        flow: Any,
        graph: Any,
        step_name: str,
        decorators: List["StepDecorator"],
        environment: Any,
        flow_datastore: Any,
        logger: Any,
    ) -> None:
        """All decorators of the step exist: the place to check that they fit together."""

    def package_init(self, flow: Any, step_name: str, environment: Any) -> None:
        """A code package is about to be made."""

    def add_to_package(self) -> Iterable[Tuple[Any, ...]]:
        """Files to add to the code package: `(path, name in the package[, type])`."""
        return []

    def step_task_retry_count(self) -> Tuple[Optional[int], Optional[int]]:
        """Retries of the user's code, and attempts after these that run a stub. (None, None): never retry."""
        return 0, 0

    def runtime_init(self, flow: Any, graph: Any, package: Any, run_id: Any) -> None:
        """The run is about to start."""

    def runtime_task_created(
        self, task_datastore: Any, task_id: Any, split_index: Any, input_paths: Any, is_cloned: bool, ubf_context: Any
    ) -> None:
        """A task of this step is about to be started."""

    def runtime_finished(self, exception: Optional[BaseException]) -> None:
        """The run has ended."""

    def runtime_step_cli(self, cli_args: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any) -> None:
        """May change how a task of this step is started; `cli_args.env` are its environment variables."""

    def task_pre_step(
        self,
        step_name: str,
        task_datastore: Any,
        metadata: Any,
        run_id: Any,
        task_id: Any,
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: Any,
        inputs: Any,
    ) -> None:
        """In the task, before the step."""

    def task_decorate(
        self,
        step_func: Callable[..., Any],
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
        ubf_context: Any,
    ) -> Callable[..., Any]:
        """What to call instead of the step."""
        return step_func

    def task_post_step(
        self, step_name: str, flow: Any, graph: Any, retry_count: int, max_user_code_retries: int
    ) -> None:
        """In the task, after the step ended well."""

    def task_exception(
        self,
        exception: BaseException,
        step_name: str,
        flow: Any,
        graph: Any,
        retry_count: int,
        max_user_code_retries: int,
    ) -> Optional[bool]:
        """In the task, after the step raised. True: the exception is dealt with and the task counts as done."""

    def task_finished(
        self, step_name: str, flow: Any, graph: Any, is_task_ok: bool, retry_count: int, max_user_code_retries: int
    ) -> None:
        """In the task, after its artifacts were saved. is_task_ok: no exception, or one that a decorator dealt with."""
