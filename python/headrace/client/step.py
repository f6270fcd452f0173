"""Step: the tasks of one step of a run."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, Optional

from headrace.client.base import _CLASSES, MetaflowObject
from headrace.errors import MetaflowNotFound

if TYPE_CHECKING:
    from headrace.client.task import Task

_CONTROL_TASK = "control_task"


class Step(MetaflowObject):
    """The tasks of a step, newest first: `Step("HelloFlow/12/start")`."""

    __module__ = "metaflow.client.core"

    _NAME = "step"
    _PARENT_CLASS = "run"
    _CHILD_CLASS = "task"

    @property
    def task(self) -> Optional["Task"]:
        """The newest task (the only one, outside of a foreach); None if none has begun."""
        return next(iter(self), None)

    def tasks(self, *tags: str) -> Iterator["Task"]:
        """The tasks, newest first; with tags, all of them if the run carries these, else none."""
        return self._filtered_children(*tags)

    @property
    def control_task(self) -> Optional["Task"]:
        """The task that leads a @parallel step; None if there is none."""
        return next(self.control_tasks(), None)

    def control_tasks(self, *tags: str) -> Iterator["Task"]:
        """The tasks that lead a @parallel step, one for each time it ran."""
        for task in self._filtered_children(*tags):
            if _CONTROL_TASK in task.tags or any(
                record.name == "internal_task_type" and record.value == _CONTROL_TASK for record in task.metadata
            ):
                yield task

    @property
    def finished_at(self) -> Optional[datetime]:
        """When the last of the tasks ended; None while one has not."""
        ends = [task.finished_at for task in self]
        return None if not ends or None in ends else max(ends)

    @property
    def environment_info(self) -> Optional[Dict[str, Any]]:
        """The environment of the tasks, if their code was stored."""
        task = self.task
        return task.environment_info if task else None

    def _graph(self) -> Dict[str, Any]:
        task = self.task
        graph: Dict[str, Any] = task["_graph_info"].data if task else {"steps": {}}
        return graph

    def _siblings(self, names: Iterable[str]) -> Iterator["Step"]:
        """The steps of these names, as far as they have begun: a switch takes one way, a failed run ends early."""
        flow, run, _ = self.path_components
        for name in names:
            try:
                yield Step("%s/%s/%s" % (flow, run, name), _namespace_check=False, _metaflow=self._metaflow)
            except MetaflowNotFound:
                continue

    @property
    def parent_steps(self) -> Iterator["Step"]:
        """The steps that lead to this one and have begun."""
        graph = self._graph()
        if self.id == graph.get("start_step", "start"):
            return iter(())
        return self._siblings(name for name, node in graph["steps"].items() if self.id in node["next"])

    @property
    def child_steps(self) -> Iterator["Step"]:
        """The steps this one leads to and that have begun."""
        graph = self._graph()
        if self.id == graph.get("end_step", "end"):
            return iter(())
        return self._siblings(graph["steps"].get(self.id, {}).get("next", ()))


_CLASSES["step"] = Step
