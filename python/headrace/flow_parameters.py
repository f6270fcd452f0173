"""What a flow class declares besides steps: Parameters, Configs, constants; and the mutators that may change it."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .errors import MetaflowException, MetaflowInternalError
from .flow_state import FlowStateItems
from .flowspec import is_constant


def parameters_of(cls: Any) -> Iterator[Tuple[str, Any]]:
    """`(attribute name, Parameter)` of the class's Parameters and Configs.

    A Config that mutators already replaced by its value comes first, as the Config.
    """
    from .parameters import Parameter

    state = cls._flow_state
    replaced = list(state[FlowStateItems.SET_CONFIG_PARAMETERS])
    yield from replaced
    done = {name for name, _ in replaced}
    cached: Optional[List[str]] = state[FlowStateItems.CACHED_PARAMETERS]
    if cached is not None:
        for name in cached:
            if name not in done:
                yield name, getattr(cls, name)
        return
    names = []
    for name in dir(cls):
        if name.startswith("_") or name in cls._NON_PARAMETERS or name in done:
            continue
        value = getattr(cls, name, None)
        if isinstance(value, Parameter):
            names.append(name)
            yield name, value
    state[FlowStateItems.CACHED_PARAMETERS] = names


def constants_of(cls: Any) -> Iterator[Tuple[str, Any]]:
    """`(name, value)` of the public class attributes that are neither Parameters nor code."""
    parameters = {name for name, _ in parameters_of(cls)}
    for name in dir(cls):
        if name.startswith("_") or name in cls._NON_PARAMETERS or name in parameters:
            continue
        value = getattr(cls, name)
        if is_constant(value):
            yield name, value


def check_names(cls: Any, config_parameters: bool) -> None:
    """Raises MetaflowException when two Parameters (or two Configs) have one name, ignoring case."""
    seen = set()
    for _, param in cls._get_parameters():
        if param.IS_CONFIG_PARAMETER != config_parameters:
            continue
        if param.name.lower() in seen:
            raise MetaflowException(
                "Parameter *%s* is specified twice. Note that parameter names are case-insensitive." % param.name
            )
        seen.add(param.name.lower())


def process_mutators(cls: Any, config_options: Dict[str, Any], process_configs: bool) -> Optional[Any]:
    """Runs the `pre_mutate` phase of flow and step mutators, once in a class's life.

    config_options: values of the Configs by option name. process_configs: False for commands that know no Configs.
    Returns the class when mutators ran, else None. Parameters are initialised in either case.
    """
    if cls._configs_processed:
        return None
    cls._configs_processed = True
    has_mutators = cls._flow_state[FlowStateItems.FLOW_MUTATORS] or any(s.config_decorators for s in cls._steps)
    if not process_configs or not has_mutators:
        for _, param in cls._get_parameters():
            if not getattr(param, "IS_CONFIG_PARAMETER", True):
                param.init(not process_configs)
        return None

    for mutator in cls._flow_state[FlowStateItems.FLOW_MUTATORS]:
        mutator.external_init()
    _replace_configs(cls, config_options)
    _pre_mutate(cls)
    for _, param in cls._get_parameters():
        if not param.IS_CONFIG_PARAMETER:
            param.init()

    from .parameters import replace_flow_context

    replace_flow_context(cls)
    cls._init_graph()
    return cls


def _replace_configs(cls: Any, config_options: Dict[str, Any]) -> None:
    """Puts the Configs' values where the Configs were, so that mutators see values."""
    from .parameters import DelayedEvaluationParameter

    cls._check_parameters(config_parameters=True)
    replaced = []
    for name, param in list(cls._get_parameters()):
        if not param.IS_CONFIG_PARAMETER:
            continue
        value = config_options.get(param.name.replace("-", "_").lower())
        if isinstance(value, DelayedEvaluationParameter):
            value = value()
        param._store_value(value)
        replaced.append((name, param))
        setattr(cls, name, value)
    cls._flow_state[FlowStateItems.SET_CONFIG_PARAMETERS] = replaced


def _pre_mutate(cls: Any) -> None:
    from .mutators import FlowMutator, MutableFlow, MutableStep
    from .user_decorators import StepMutator

    for mutator in cls._flow_state[FlowStateItems.FLOW_MUTATORS]:
        if not isinstance(mutator, FlowMutator):
            raise MetaflowInternalError("A non FlowMutator found in flow custom decorators")
        if mutator._flow_cls is not cls and not issubclass(cls, mutator._flow_cls):
            raise MetaflowInternalError(
                "FlowMutator registered on the wrong flow -- expected %s but got %s"
                % (mutator._flow_cls.__name__, cls.__name__)
            )
        mutator.pre_mutate(
            MutableFlow(
                cls,
                pre_mutate=True,
                statically_defined=mutator.statically_defined,
                inserted_by=[mutator.decorator_name] + (mutator.inserted_by or []),
            )
        )
    for step in cls._steps:
        for mutator in step.config_decorators:
            if not isinstance(mutator, StepMutator):
                raise MetaflowInternalError("A non StepMutator found in step custom decorators")
            mutator.external_init()
    for step in cls._steps:
        for mutator in step.config_decorators:
            mutator.pre_mutate(
                MutableStep(
                    cls,
                    step,
                    pre_mutate=True,
                    statically_defined=mutator.statically_defined,
                    inserted_by=[mutator.decorator_name] + (mutator.inserted_by or []),
                )
            )


def set_constants(flow: Any, graph: Any, kwargs: Dict[str, Any], config_options: Dict[str, Any]) -> None:
    """Sets on the flow object what the `_parameters` pseudo-task stores: values, constants and `_graph_info`.

    kwargs: values of the Parameters, by option name in lower case with `-` as `_`.
    """
    from .parameters import DelayedEvaluationParameter
    from .user_configs import ConfigValue

    flow._check_parameters(config_parameters=False)
    flow._success = True
    parameters_info = []
    for name, param in flow._get_parameters():
        if param.IS_CONFIG_PARAMETER:
            value = param._computed_value or config_options.get(param.name)
        else:
            value = kwargs[param.name.replace("-", "_").lower()]
        if isinstance(value, DelayedEvaluationParameter):
            value = value()
        if value and param.separator:
            value = value.split(param.separator)
        if isinstance(value, ConfigValue):
            # A plain dict, so that any client can read it.
            value = value.to_dict()
        setattr(flow, name, value)
        parameters_info.append({"name": name, "type": param.__class__.__name__})

    constants_info = []
    for name, value in constants_of(flow.__class__):
        constants_info.append({"name": name, "type": type(value).__name__})
        setattr(flow, name, value)
    flow._graph_info = graph_info(flow, graph, parameters_info, constants_info)


def graph_info(
    flow: Any, graph: Any, parameters_info: List[Dict[str, str]], constants_info: List[Dict[str, str]]
) -> Dict[str, Any]:
    """The `_graph_info` artifact (datastore contract, section 8)."""
    from .graph_export import to_pod

    steps, structure = graph.output_steps()
    decorators = [
        {
            "name": deco.name,
            "attributes": to_pod(deco.attributes),
            "statically_defined": deco.statically_defined,
            "inserted_by": deco.inserted_by,
        }
        for decos in flow._flow_decorators.values()
        for deco in decos
        if not deco.name.startswith("_")
    ]
    decorators += [
        {
            "name": mutator.__class__.__name__,
            "attributes": {},
            "statically_defined": mutator.statically_defined,
            "inserted_by": mutator.inserted_by,
        }
        for mutator in flow._flow_mutators
    ]
    return {
        "file": os.path.basename(os.path.abspath(sys.argv[0])),
        "start_step": graph.start_step,
        "end_step": graph.end_step,
        "parameters": parameters_info,
        "constants": constants_info,
        "steps": steps,
        "graph_structure": structure,
        "doc": graph.doc,
        "decorators": decorators,
        "extensions": {"installed": {}},
    }
