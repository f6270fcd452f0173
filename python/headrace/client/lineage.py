"""Which tasks a task got its inputs from, and which got theirs from it.

Nothing stored says this directly. A task inside a foreach has the metadata `foreach-execution-path`, such as
`outer:1,inner:0`; the steps' order is in the artifact `_graph_info`. Along an edge of the graph the path stays the
same, except that it grows by one part where a foreach opens and loses one where its join closes it:

    outer (foreach)      ""
    inner (foreach)      outer:1              the child of outer's split 1
    work                 outer:1,inner:0      the child of inner's split 0
    join of inner        outer:1              its parents: work with outer:1,inner:*
    join of outer        ""
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Iterator, Tuple

if TYPE_CHECKING:
    from headrace.client.task import Task

_PATH = "foreach-execution-path"
_OPENING = ("split-foreach", "split-parallel")

Parts = Tuple[str, ...]


def parent_pathspecs(task: "Task") -> Iterator[str]:
    """Pathspecs of the tasks `task` got its inputs from, step by step."""
    step = task.path_components[2]
    steps = _steps(task)
    mine = _path(task.metadata_dict)
    for name, node in steps.items():
        if step in node["next"]:
            for pathspec, path in _tasks(task, name):
                if _follows(steps, name, path, step, mine):
                    yield pathspec


def child_pathspecs(task: "Task") -> Iterator[str]:
    """Pathspecs of the tasks that got their inputs from `task`, step by step."""
    step = task.path_components[2]
    steps = _steps(task)
    mine = _path(task.metadata_dict)
    for name in steps.get(step, {}).get("next", ()):
        for pathspec, path in _tasks(task, name):
            if _follows(steps, step, mine, name, path):
                yield pathspec


def _follows(steps: Dict[str, Any], parent: str, parent_path: Parts, child: str, child_path: Parts) -> bool:
    """Whether a task of `child` at `child_path` comes after one of its parent step at `parent_path`."""
    if steps[parent]["type"] in _OPENING:
        return child_path[:-1] == parent_path and len(child_path) == len(parent_path) + 1
    if _closes_foreach(steps, child):
        return parent_path[:-1] == child_path and len(parent_path) == len(child_path) + 1
    return parent_path == child_path


def _closes_foreach(steps: Dict[str, Any], join: str) -> bool:
    if steps[join]["type"] != "join":
        return False
    splits = [node["type"] for node in steps.values() if node.get("matching_join") == join]
    if splits:
        return any(kind in _OPENING for kind in splits)
    # Graphs stored by old versions do not say which split a join is of; a join of branches has several parents.
    return sum(join in node["next"] for node in steps.values()) == 1


def _steps(task: "Task") -> Dict[str, Any]:
    try:
        steps: Dict[str, Any] = task["_graph_info"].data["steps"]
    except KeyError:
        # An attempt that has stored nothing (yet): any task of the run knows the graph.
        flow, run = task.path_components[:2]
        from headrace.client.task import Task

        parameters = Task("%s/%s/_parameters/0" % (flow, run), _metaflow=task._metaflow, _namespace_check=False)
        steps = parameters["_graph_info"].data["steps"]
    return steps


def _path(metadata: Dict[str, Any]) -> Parts:
    text = metadata.get(_PATH)
    return tuple(str(text).split(",")) if text else ()


def _tasks(task: "Task", step: str) -> Iterator[Tuple[str, Parts]]:
    """(pathspec, path) of each task of a step of the same run."""
    from headrace.client.step import Step
    from headrace.errors import MetaflowNotFound

    flow, run = task.path_components[:2]
    try:
        tasks = Step("%s/%s/%s" % (flow, run, step), _metaflow=task._metaflow, _namespace_check=False)
    except MetaflowNotFound:
        return
    for other in tasks:
        # Through the Task's own metadata, so that cloned tasks have their origin's path.
        yield other.pathspec, _path(other.metadata_dict)
