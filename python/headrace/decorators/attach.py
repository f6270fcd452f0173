"""Puts decorators on steps and flows: by `@name` in the source, by `--with`, and by the start of a command."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Tuple, Type

from ..errors import (
    BadFlowDecoratorException,
    BadStepDecoratorException,
    DuplicateFlowDecoratorException,
    DuplicateStepDecoratorException,
    MetaflowException,
    MetaflowInternalError,
    UnknownFlowDecoratorException,
    UnknownStepDecoratorException,
)
from .base import FlowDecorator, StepDecorator
from .spec import split_decospec

def _base_step_decorator(decotype: Type[StepDecorator], *args: Any, **kwargs: Any) -> Any:
    """`@name` or `@name(...)` above a step."""
    if not args:
        return lambda func: _base_step_decorator(decotype, func, **kwargs)
    func = args[0]
    # A custom decorator without arguments is an object that stands for its step.
    func = getattr(func, "_my_step", None) or func
    if isinstance(func, type) and hasattr(func, "_function_spec_step_name"):
        _base_step_decorator(decotype, getattr(func, func._function_spec_step_name), **kwargs)
        return func
    if not hasattr(func, "is_step"):
        raise BadStepDecoratorException(decotype.name, func)
    if not decotype.allow_multiple and any(deco.name == decotype.name for deco in func.decorators):
        raise DuplicateStepDecoratorException(decotype.name, func)
    func.decorators.append(decotype(attributes=kwargs, statically_defined=True))
    return func


def _base_flow_decorator(decofunc: Type[FlowDecorator], *args: Any, **kwargs: Any) -> Any:
    """`@name` or `@name(...)` above a flow's class."""
    if not args:
        return lambda cls: _base_flow_decorator(decofunc, cls, **kwargs)
    from ..flowspec import FlowSpec, FlowStateItems

    cls = args[0]
    cls = cls if isinstance(cls, type) else getattr(cls, "_flow_cls", cls)
    if not isinstance(cls, type) or not issubclass(cls, FlowSpec):
        raise BadFlowDecoratorException(decofunc.name)
    own = cls._flow_state.self_data[FlowStateItems.FLOW_DECORATORS]
    inherited = cls._flow_state.inherited_data.get(FlowStateItems.FLOW_DECORATORS, {})
    if not decofunc.allow_multiple and (decofunc.name in own or decofunc.name in inherited):
        raise DuplicateFlowDecoratorException(decofunc.name)
    own.setdefault(decofunc.name, []).append(decofunc(attributes=kwargs, statically_defined=True))
    return cls


def flow_decorators(flow_cls: Any) -> List[FlowDecorator]:
    """All decorators of a flow, its bases' included."""
    from ..flowspec import FlowStateItems

    return [deco for decos in flow_cls._flow_state[FlowStateItems.FLOW_DECORATORS].values() for deco in decos]


def get_all_step_decos() -> Dict[str, Type[StepDecorator]]:
    """Name -> class of the built-in step decorators."""
    from .registry import STEP_DECORATORS, step_decorator_class

    return {name: step_decorator_class(name) for name in STEP_DECORATORS}


def get_all_flow_decos() -> Dict[str, Type[FlowDecorator]]:
    """Name -> class of the built-in flow decorators."""
    from .registry import FLOW_DECORATORS, flow_decorator_class

    return {name: flow_decorator_class(name) for name in FLOW_DECORATORS}


def _custom_step_decorator(name: str) -> Any:
    """The class that a dotted NAME in a spec imports."""
    import importlib

    from ..user_decorators import UserStepDecoratorBase, known_step_decorators

    module_name, _, class_name = name.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise MetaflowException("Could not import user decorator %s: %s" % (name, error)) from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type) or not issubclass(found, UserStepDecoratorBase):
        raise UnknownStepDecoratorException(name, known_step_decorators())
    return found


def extract_step_decorator_from_decospec(decospec: str) -> Tuple[Any, bool]:
    """The decorator that a spec names, and whether the spec has a part after the name.

    Raises UnknownStepDecoratorException, InvalidDecoratorAttribute.
    """
    from .registry import STEP_DECORATORS, step_decorator_class

    name, attributes = split_decospec(decospec)
    cls: Any
    if name in STEP_DECORATORS:
        cls = step_decorator_class(name)
    else:
        from ..user_decorators import find_step_decorator, known_step_decorators

        cls = find_step_decorator(name)
        if cls is None and "." in name:
            cls = _custom_step_decorator(name)
        if cls is None:
            raise UnknownStepDecoratorException(name, known_step_decorators())
    return cls.parse_decorator_spec(attributes), ":" in decospec


def extract_flow_decorator_from_decospec(decospec: str) -> Tuple[Any, bool]:
    """As `extract_step_decorator_from_decospec`, for flow decorators and mutators."""
    from .registry import FLOW_DECORATORS, flow_decorator_class

    name, attributes = split_decospec(decospec)
    cls: Any
    if name in FLOW_DECORATORS:
        cls = flow_decorator_class(name)
    else:
        from ..mutators import find_flow_mutator, known_flow_decorators

        cls = find_flow_mutator(name)
        if cls is None:
            raise UnknownFlowDecoratorException(name, known_flow_decorators())
    return cls.parse_decorator_spec(attributes), ":" in decospec


def attach_decorators(flow: Any, decospecs: Iterable[str]) -> None:
    """Puts the decorators of `--with` on every step. A step that has a decorator of that name keeps its own."""
    specs = list(decospecs)
    for step_func in flow:
        attach_decorators_to_step(step_func, specs)


def attach_decorators_to_step(step_func: Any, decospecs: Iterable[str]) -> None:
    """As `attach_decorators`, for one step."""
    for decospec in decospecs:
        deco, _ = extract_step_decorator_from_decospec(decospec)
        if not isinstance(deco, StepDecorator):
            deco.add_or_raise(step_func, False, 1, None)
        elif deco.allow_multiple or all(have.name != deco.name for have in step_func.decorators):
            step_func.decorators.append(deco)


def _skipped_in_spin(deco: Any, is_spin: bool, skip_decorators: bool, logger: Any, kind: str) -> bool:
    """Whether a command `spin` leaves a decorator alone; says so unless all are left alone."""
    if not is_spin:
        return False
    if skip_decorators:
        return True
    from ..settings import SPIN_ALLOWED_DECORATORS

    if deco.name in SPIN_ALLOWED_DECORATORS:
        return False
    logger(
        "[Warning] Ignoring %s '%s' as it is not supported in spin steps." % (kind, deco.name),
        system_msg=True,
        timestamp=False,
        bad=True,
    )
    return True


def drop_skipped_in_spin(flow: Any, skip_decorators: bool) -> None:
    """Takes from all steps the decorators that a spin leaves alone: they were not made ready. Those that cannot be spun stay,
    to be refused on the step that is spun."""
    from ..settings import SPIN_ALLOWED_DECORATORS, SPIN_DISALLOWED_DECORATORS

    kept = set(SPIN_DISALLOWED_DECORATORS).union(() if skip_decorators else SPIN_ALLOWED_DECORATORS)
    for step_func in flow:
        step_func.decorators[:] = [deco for deco in step_func.decorators if deco.name in kept]


def init_flow_decorators(
    flow: Any,
    graph: Any,
    environment: Any,
    flow_datastore: Any,
    metadata: Any,
    logger: Any,
    echo: Any,
    deco_options: Dict[str, Any],
    is_spin: bool = False,
    skip_decorators: bool = False,
) -> None:
    """Calls `flow_init` of every flow decorator with the values of its own options.

    deco_options: values of the command line, option names with `_`.
    """
    from ..flowspec import FlowStateItems

    by_name = flow._flow_state[FlowStateItems.FLOW_DECORATORS]
    for decos in by_name.values():
        for deco in decos:
            deco.external_init()
    for decos in by_name.values():
        first = decos[0]
        if first.allow_multiple and first.options:
            raise MetaflowException(
                "Flow decorator `@%s` has multiple options, which is not allowed: `%s` may be used several times on a "
                "flow, so it can have no command line options." % (first.name, first.__class__.__name__)
            )
        options = {
            option: deco_options.get(option.replace("-", "_"), info["default"])
            for option, info in first.options.items()
        }
        for deco in decos:
            if _skipped_in_spin(deco, is_spin, skip_decorators, logger, "Flow decorator"):
                continue
            if deco.flow_init_ctx is not None:
                deco.flow_init_ctx(options)
            else:
                deco.flow_init(flow, graph, environment, flow_datastore, metadata, logger, echo, options)


def init_step_decorators(
    flow: Any,
    graph: Any,
    environment: Any,
    flow_datastore: Any,
    logger: Any,
    is_spin: bool = False,
    skip_decorators: bool = False,
) -> Any:
    """Runs `mutate` of all mutators, then `init` and `step_init` of every step decorator; returns the flow's graph."""
    from ..flowspec import FlowStateItems

    cls = flow.__class__
    if cls._flow_state[FlowStateItems.FLOW_MUTATORS] or any(s.config_decorators for s in cls._steps):
        from ..mutators import run_mutate

        run_mutate(cls)
        graph = flow._graph
    wanted: List[Tuple[Any, Any]] = []
    for step_func in flow:
        for deco in step_func.decorators:
            if not _skipped_in_spin(deco, is_spin, skip_decorators, logger, "Step decorator"):
                deco.external_init()
                wanted.append((step_func, deco))
        for wrapper in step_func.wrappers or ():
            wrapper.external_init()
    for step_func, deco in wanted:
        if deco.step_init_ctx is not None:
            from ..system_context import system_context

            system_context.register_step_decorators(step_func.__name__, list(step_func.decorators))
            deco.step_init_ctx(step_func.__name__)
        else:
            deco.step_init(
                flow, graph, step_func.__name__, step_func.decorators, environment, flow_datastore, logger
            )
    return graph


def decorator_options(flow_cls: Any) -> List[Tuple[str, Dict[str, Any]]]:
    """The command-line options of a flow's decorators: name, arguments of `click.Option` with `envvar` filled in."""
    seen: Dict[str, str] = {}
    options = []
    for deco in flow_decorators(flow_cls):
        for option, info in deco.options.items():
            if option in seen:
                raise MetaflowInternalError(
                    "Flow decorator '%s' uses an option '%s' which is also used by the decorator '%s'. This is a bug in "
                    "one of these decorators: an option belongs to one of them." % (deco.name, option, seen[option])
                )
            seen[option] = deco.name
            options.append((option, dict(info, envvar="METAFLOW_FLOW_%s" % option.upper())))
    return options
