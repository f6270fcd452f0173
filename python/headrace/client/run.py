"""Run: one execution of a flow."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional, Tuple, Union

from headrace.client.base import _CLASSES, MetaflowObject
from headrace.errors import MetaflowNotFound

if TYPE_CHECKING:
    from headrace.client.code import MetaflowCode
    from headrace.client.data import MetaflowData
    from headrace.client.step import Step
    from headrace.client.task import Task
    from headrace.client.trigger import Trigger

Tags = Union[str, Iterable[str]]


class Run(MetaflowObject):
    """The steps of one run, newest first: `Run("HelloFlow/12")`."""

    __module__ = "metaflow.client.core"

    _NAME = "run"
    _PARENT_CLASS = "flow"
    _CHILD_CLASS = "step"

    def _iter_filter(self, child: Any) -> bool:
        return not child.id.startswith("_")

    def steps(self, *tags: str) -> Iterator["Step"]:
        """The steps, newest first; with tags, all of them if the run carries these, else none."""
        return self._filtered_children(*tags)

    @property
    def _graph_endpoints(self) -> Tuple[str, str]:
        """Names of the first and the last step, as the run wrote them down; `start` and `end` for old runs."""
        cached: Optional[Tuple[str, str]] = self.__dict__.get("_cached_endpoints")
        if cached is None:
            try:
                noted = self["_parameters"].task.metadata_dict
            except (KeyError, MetaflowNotFound, AttributeError):
                noted = {}
            cached = (noted.get("start_step", "start"), noted.get("end_step", "end"))
            if noted:
                # A run that is just starting may have them a moment later.
                self.__dict__["_cached_endpoints"] = cached
        return cached

    @property
    def end_task(self) -> Optional["Task"]:
        """The task of the last step; None if it has not begun."""
        try:
            step = self[self._graph_endpoints[1]]
        except KeyError:
            return None
        task: Optional["Task"] = step.task
        return task

    @property
    def data(self) -> Optional["MetaflowData"]:
        """The artifacts of the last step; None if it has not begun."""
        end = self.end_task
        return end.data if end else None

    @property
    def successful(self) -> bool:
        """Whether the last step has succeeded."""
        end = self.end_task
        return end.successful if end else False

    @property
    def finished(self) -> bool:
        """Whether the last step has ended."""
        end = self.end_task
        return end.finished if end else False

    @property
    def finished_at(self) -> Optional[datetime]:
        """When the last step ended; None if it has not."""
        end = self.end_task
        return end.finished_at if end else None

    @property
    def code(self) -> Optional["MetaflowCode"]:
        """The code the run was made with, if a step ran remotely; else None."""
        for step in self:
            task = step.task
            code: Optional["MetaflowCode"] = task.code if task else None
            if code:
                return code
        return None

    @property
    def trigger(self) -> Optional["Trigger"]:
        """The events that started the run; None if it was started otherwise."""
        from headrace.client.trigger import trigger_from_metadata

        try:
            task = self[self._graph_endpoints[0]].task
        except KeyError:
            return None
        return trigger_from_metadata(task.metadata_dict) if task else None

    @property
    def origin_pathspec(self) -> Optional[str]:
        """The run this one was resumed from.

        A run that was not resumed gives `Flow/None`, as Metaflow does; None while no step has begun.
        """
        step = next(iter(self), None)
        task = step.task if step else None
        if not task:
            return None
        origin = [record.value for record in task.metadata if record.name == "origin-run-id"]
        return "%s/%s" % (self.path_components[0], origin[0]) if origin else None

    # Tags. The singular forms take one tag or several; `remove_tags` and `replace_tags` refuse a str.

    def add_tag(self, tag: Tags) -> None:
        """Adds a tag. One that is a system tag already is left as it is. Raises MetaflowTaggingError if ill-formed."""
        self.replace_tag([], tag)

    def add_tags(self, tags: Iterable[str]) -> None:
        """Adds tags; see `add_tag`. A str is one tag."""
        self.replace_tag([], tags)

    def remove_tag(self, tag: Tags) -> None:
        """Removes a tag if it is there. Raises MetaflowTaggingError for a system tag."""
        self.replace_tag(tag, [])

    def remove_tags(self, tags: Iterable[str]) -> None:
        """Removes tags; see `remove_tag`."""
        self.replace_tags(tags, [])

    def replace_tag(self, tag_to_remove: Tags, tag_to_add: Tags) -> None:
        """Removes one tag and adds another, at once."""
        self.replace_tags(
            [tag_to_remove] if isinstance(tag_to_remove, (str, bytes)) else tag_to_remove,
            [tag_to_add] if isinstance(tag_to_add, (str, bytes)) else tag_to_add,
        )

    def replace_tags(self, tags_to_remove: Iterable[str], tags_to_add: Iterable[str]) -> None:
        """Removes some tags, then adds others, at once. This object shows the result."""
        flow, run = self.path_components
        self._user_tags = frozenset(
            self._metaflow.metadata.mutate_user_tags_for_run(
                flow, run, tags_to_remove=tags_to_remove, tags_to_add=tags_to_add
            )
        )
        self._tags = self._user_tags | self._system_tags


_CLASSES["run"] = Run
