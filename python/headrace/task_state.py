"""What a flow object must hold before its step runs: parameters, foreach and iteration stacks, inputs."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .artifacts import InputArtifacts, OutputArtifacts
from .errors import MetaflowDataMissing, MetaflowInternalError
from .flow_parameters import constants_of
from .foreach import ForeachFrame
from .inputs import TaskInputs


def _refuse_change(*_: Any) -> None:
    raise AttributeError("Flow level attributes and Parameters are not modifiable")


class _ReadOnly:
    """The read-only properties of one flow class: Parameters, constants and `_graph_info`.

    They are put on the class once, in the task host; a task only says where the values come from.
    """

    def __init__(self, cls: Any) -> None:
        self.parameters: List[str] = []
        self.constants: List[str] = []
        self.source: Optional[InputArtifacts] = None
        self._loaded: Dict[str, Any] = {}
        for name, value in list(constants_of(cls)):
            self.constants.append(name)
            setattr(cls, name, property(self._constant(value), _refuse_change))
        for name, param in list(cls._get_parameters()):
            self.parameters.append(name)
            setattr(cls, name, property(self._loader(name, param.load_parameter), _refuse_change))
        setattr(cls, "_graph_info", property(self._loader("_graph_info", lambda value: value), _refuse_change))

    @staticmethod
    def _constant(value: Any) -> Any:
        return lambda _: value

    def _loader(self, name: str, convert: Any) -> Any:
        def load(flow: Any) -> Any:
            if name not in self._loaded:
                if self.source is None:
                    raise AttributeError("Flow %s has no attribute '%s'" % (flow.__class__.__name__, name))
                self._loaded[name] = convert(self.source[name])
            return self._loaded[name]

        return load


_read_only: Dict[Any, _ReadOnly] = {}


def protect_class(cls: Any) -> _ReadOnly:
    """Makes the Parameters and constants of a flow class read-only properties, once."""
    found = _read_only.get(cls)
    if found is None:
        found = _read_only[cls] = _ReadOnly(cls)
    return found


def init_parameters(flow: Any, parameters: InputArtifacts) -> List[str]:
    """Says where the flow's Parameters come from; values are loaded when touched.

    Returns the attribute names of Parameters and Configs. In a join they are passed on, since nothing else is.
    """
    read_only = protect_class(flow.__class__)
    read_only.source = parameters
    if isinstance(flow._datastore, OutputArtifacts):
        names = read_only.parameters + read_only.constants + ["_graph_info"]
        flow._datastore.passdown_partial(parameters, names)
    return list(read_only.parameters)


def init_foreach(
    flow: Any, step: str, join_type: Optional[str], inputs: List[InputArtifacts], split_index: Optional[int]
) -> None:
    """Sets `_foreach_stack`: empty at the entry, popped by the join of a foreach, pushed after its split.

    That a join gets all its branches is the scheduler's promise; only its first input is looked at.
    """
    flow._foreach_var = None
    flow._foreach_num_splits = None
    first = inputs[0]
    if step == flow._graph.start_step:
        flow._foreach_stack = []
    elif join_type:
        if not first.is_none("_foreach_var"):
            raise MetaflowInternalError("Step *%s* tries to join a foreach split with no intermediate steps." % step)
        stack = first["_foreach_stack"]
        if join_type == "foreach":
            expected = stack[-1].num_splits
            if expected and len(inputs) != expected:
                raise MetaflowDataMissing(
                    "Foreach join *%s* expected %d splits but only %d inputs were found"
                    % (step, expected, len(inputs))
                )
            stack = stack[:-1]
        flow._foreach_stack = stack
    elif not first.is_none("_foreach_var"):
        value = None
        if split_index is not None and not first.is_none("_foreach_values"):
            value = first["_foreach_values"][split_index]
        frame = ForeachFrame(step, first["_foreach_var"], first.get("_foreach_num_splits"), split_index, value)
        flow._foreach_stack = first["_foreach_stack"] + [frame]
    else:
        flow._foreach_stack = first.get("_foreach_stack", [])


def init_iteration(flow: Any, step: str, node: Any, inputs: List[InputArtifacts]) -> None:
    """Sets `_iteration_stack`: `[k]` in the k-th pass of a step that names itself, else empty."""
    if node.type != "split-switch" or step not in node.out_funcs:
        flow._iteration_stack = []
        return
    stack = inputs[0].get("_iteration_stack")
    flow._iteration_stack = stack[:-1] + [stack[-1] + 1] if stack else [0]


def join_inputs(flow: Any, node: Any, join_type: str, inputs: List[InputArtifacts]) -> TaskInputs:
    """The second argument of a join: one flow object an input, in split order."""
    if join_type != "foreach":
        # Counted at the split: a switch inside a branch may bring more edges than branches.
        expected = len(flow._graph[node.split_parents[-1]].out_funcs)
        if len(inputs) != expected:
            raise MetaflowDataMissing(
                "Join *%s* expected %d inputs but only %d inputs were found" % (node.name, expected, len(inputs))
            )
    flows = []
    for stored in inputs:
        branch = flow.__class__(use_cli=False)
        branch._set_datastore(stored)
        flows.append(branch)
    return TaskInputs(flows, [stored.step_name for stored in inputs])


def transition_message(flow: Any) -> Optional[Dict[str, Any]]:
    """The `transition` field of `finish`; None when `self.next` was not called."""
    if flow._transition is None:
        return None
    targets, var = flow._transition
    splits = None
    if var is not None:
        splits = flow._foreach_num_splits
        if splits is None:
            splits = getattr(getattr(flow, var), "num_parallel", None)
    return {"next": list(targets), "splits": splits}
