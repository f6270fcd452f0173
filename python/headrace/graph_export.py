"""What a flow's graph looks like outside: Graphviz text, and the `_graph_info` artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple

if TYPE_CHECKING:
    from .graph import DAGNode, FlowGraph

_TYPE_NAMES = {"split": "split-static", "foreach": "split-foreach"}


def to_pod(value: Any) -> Any:
    """`value` reduced to plain data: texts, numbers, lists and dicts; anything else becomes its name or its text."""
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, dict):
        return {to_pod(k): to_pod(v) for k, v in value.items()}
    if isinstance(value, (list, set, tuple)):
        return [to_pod(v) for v in value]
    if isinstance(value, (type(None), bytes)):
        return str(value)
    from .parameters import DeployTimeField

    if isinstance(value, DeployTimeField):
        return value.print_representation
    if callable(value):
        return getattr(value, "__qualname__", str(value))
    return str(value)


# --- _graph_info -----------------------------------------------------------------------------------------------


def node_type(node: "DAGNode") -> str:
    """The type of a step in `_graph_info`."""
    if node.type == "foreach" and node.parallel_foreach:
        return "split-parallel"
    return _TYPE_NAMES.get(node.type or "unknown", node.type or "unknown")


def decorator_info(decorators: Any) -> List[Dict[str, Any]]:
    """Built-in decorators as plain data; a name with a leading `_` is internal and left out."""
    return [
        {
            "name": deco.name,
            "attributes": to_pod(deco.attributes),
            "statically_defined": deco.statically_defined,
            "inserted_by": deco.inserted_by,
        }
        for deco in decorators
        if not deco.name.startswith("_")
    ]


def _user_decorator_info(decorators: Any) -> List[Dict[str, Any]]:
    return [
        {
            "name": deco.decorator_name,
            "attributes": to_pod({"_args": deco._args, **deco._kwargs}),
            "statically_defined": deco.statically_defined,
            "inserted_by": deco.inserted_by,
        }
        for deco in decorators
    ]


def _step_info(node: "DAGNode") -> Dict[str, Any]:
    kind = node_type(node)
    info: Dict[str, Any] = {
        "name": node.name,
        "type": kind,
        "line": node.func_lineno,
        "source_file": node.source_file,
        "doc": node.doc,
        "decorators": decorator_info(node.decorators)
        + _user_decorator_info(list(node.wrappers) + list(node.config_decorators)),
        "next": node.out_funcs,
        "node_info": to_pod(node.node_info),
    }
    if kind == "split-foreach":
        info["foreach_artifact"] = node.foreach_param
    elif kind == "split-parallel":
        info["num_parallel"] = node.num_parallel
    elif kind == "split-switch":
        info["condition"] = node.condition
        info["switch_cases"] = node.switch_cases
    if node.matching_join:
        info["matching_join"] = node.matching_join
    return info


class _Structure:
    """Nested lists of step names: a split is followed by the list of its branches.

    Branches that are equal are one object, so that a row of switches, whose written form doubles with each, costs
    little here and in a pickle.
    """

    def __init__(self, graph: "FlowGraph") -> None:
        self._graph = graph
        self._blocks: Dict[Tuple[str, Optional[str]], List[Any]] = {}
        self._open: Dict[Tuple[str, Optional[str]], None] = {}
        self.steps: Dict[str, Any] = {}

    def block(self, name: str, end: Optional[str]) -> List[Any]:
        key = (name, end)
        if key in self._blocks:
            return self._blocks[key]
        if key in self._open:
            return []
        self._open[key] = None
        found = self._walk(name, end)
        del self._open[key]
        self._blocks[key] = found
        return found

    def _walk(self, name: Optional[str], end: Optional[str]) -> List[Any]:
        found: List[Any] = []
        here: Dict[str, None] = {}
        while name is not None and name != end and name not in here and name in self._graph:
            here[name] = None
            node = self._graph[name]
            self.steps[name] = _step_info(node)
            found.append(name)
            kind = node_type(node)
            if kind in ("split-static", "split-foreach"):
                found.append([self.block(branch, node.matching_join) for branch in node.out_funcs])
                name = node.matching_join
            elif kind == "split-switch":
                found.append([self.block(branch, end) for branch in node.out_funcs if branch != name])
                break
            else:
                name = node.out_funcs[0] if node.out_funcs else None
        return found


def output_steps(graph: "FlowGraph") -> Tuple[Dict[str, Any], List[Any]]:
    """({step: info}, structure). Raises ValueError when the flow has no single entry or no single end."""
    missing = [name for name, step in (("start", graph.start_step), ("end", graph.end_step)) if step is None]
    if missing:
        raise ValueError(
            "Cannot compute graph structure: no %s step identified. Use @step(start=True)/@step(end=True) or name "
            "your steps 'start'/'end'." % " or ".join(missing)
        )
    start, end = str(graph.start_step), str(graph.end_step)
    structure = _Structure(graph)
    blocks = [] if start == end else list(structure.block(start, end))
    structure.steps[end] = _step_info(graph[end])
    blocks.append(end)
    return structure.steps, blocks


# --- Graphviz --------------------------------------------------------------------------------------------------


def _dot_nodes(graph: "FlowGraph") -> Iterator[str]:
    for node in graph:
        if node.type == "split-switch":
            yield (
                '"%s" [ label = <<b>%s</b><br/><font point-size="9">switch: %s</font>>   fontname = "Helvetica"   '
                'shape = "hexagon"   style = "filled" fillcolor = "lightgreen" ];'
                % (node.name, node.name, node.condition)
            )
        else:
            kind = "join" if node.num_args > 1 else node.type
            yield (
                '"%s"[ label = <<b>%s</b> | <font point-size="10">%s</font>>   fontname = "Helvetica"   '
                'shape = "record" ];' % (node.name, node.name, kind)
            )


def _dot_edges(graph: "FlowGraph") -> Iterator[str]:
    for node in graph:
        if node.type == "split-switch":
            for case, step in node.switch_cases.items():
                yield '%s -> %s [label="%s" color="blue" fontcolor="blue"];' % (node.name, step, case)
        else:
            for step in node.out_funcs:
                yield "%s -> %s;" % (node.name, step)


def output_dot(graph: "FlowGraph") -> str:
    """The graph as Graphviz text."""
    return "digraph %s {\n%s\n%s\n}" % (graph.name, "\n".join(_dot_nodes(graph)), "\n".join(_dot_edges(graph)))
