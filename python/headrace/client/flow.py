"""Flow: all runs of the flows of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Iterator, Optional

from headrace.client.base import _CLASSES, MetaflowObject

if TYPE_CHECKING:
    from headrace.client.run import Run


class Flow(MetaflowObject):
    """The runs of a flow, newest first: `Flow("HelloFlow")`.

    A flow is in the namespace if any of its runs is.
    """

    __module__ = "metaflow.client.core"

    _NAME = "flow"
    _PARENT_CLASS = None
    _CHILD_CLASS = "run"

    def _is_in_namespace(self, ns: Optional[str]) -> bool:
        if ns is None:
            return True
        found = self._metaflow.metadata.get_object("flow", "run", {"any_tags": ns}, None, self.id)
        return bool(found)

    @property
    def latest_run(self) -> Optional["Run"]:
        """The newest run, whether it has ended or not; None if there is none."""
        return next(iter(self), None)

    @property
    def latest_successful_run(self) -> Optional["Run"]:
        """The newest run that was successful; None if there is none."""
        return next((run for run in self if run.successful), None)

    def runs(self, *tags: str) -> Iterator["Run"]:
        """The runs that carry all of `tags`, newest first."""
        return self._filtered_children(*tags)


_CLASSES["flow"] = Flow
