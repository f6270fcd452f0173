"""Task: one execution of a step, with its artifacts, metadata and logs."""

from __future__ import annotations

from collections import namedtuple
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Tuple, Union

from headrace.client import store
from headrace.client.base import _CLASSES, MetaflowObject
from headrace.client.code import MetaflowCode
from headrace.client.data import MetaflowData
from headrace.client.lineage import child_pathspecs, parent_pathspecs

if TYPE_CHECKING:
    from headrace.client.artifact import DataArtifact

#: One record. created_at: milliseconds since 1970. task: the Task it belongs to.
Metadata = namedtuple("Metadata", ["name", "value", "created_at", "type", "task"])
Metadata.__module__ = "metaflow.client.core"

_TIME = "%Y-%m-%dT%H:%M:%S.%f"


class Task(MetaflowObject):
    """One task: `Task("HelloFlow/12/start/1")`; with `attempt=0`, what its first attempt left.

    Iterates over its artifacts whose names do not begin with `_`; `task["_name"]` gives the others.
    """

    __module__ = "metaflow.client.core"

    _NAME = "task"
    _PARENT_CLASS = "step"
    _CHILD_CLASS = "artifact"

    def _iter_filter(self, child: Any) -> bool:
        return not child.id.startswith("_")

    # Artifacts

    @property
    def data(self) -> MetaflowData:
        """The artifacts by name; each is loaded when it is looked at."""
        return MetaflowData(self)

    @property
    def artifacts(self) -> Any:
        """A named tuple of the DataArtifact objects: `task.artifacts.x.data`."""
        found = {artifact.id: artifact for artifact in self}
        return namedtuple("MetaflowArtifacts", list(found))(**found)

    def _stored(self, name: str, default: Any) -> Any:
        try:
            artifact: "DataArtifact" = self[name]
        except KeyError:
            return default
        return artifact.data

    @property
    def successful(self) -> bool:
        """Whether the step's code ended without an exception, also one that @catch handled."""
        return bool(self._stored("_success", False))

    @property
    def finished(self) -> bool:
        """Whether the task ended well, @catch included."""
        return bool(self._stored("_task_ok", False))

    @property
    def exception(self) -> Optional[Any]:
        """The exception that ended the task, a MetaflowExceptionWrapper; None if there was none."""
        return self._stored("_exception", None)

    @property
    def finished_at(self) -> Optional[datetime]:
        """When the task ended, well or not; None if it has not."""
        try:
            ended: datetime = self["_task_ok"].created_at
        except KeyError:
            return None
        return ended

    @property
    def index(self) -> Optional[int]:
        """Its index in the innermost foreach; None outside of one."""
        stack = self._stored("_foreach_stack", None)
        return stack[-1].index if stack else None

    # Metadata

    @property
    def metadata(self) -> List[Any]:
        """Its metadata records, of all attempts unless one was given.

        A task that `resume` cloned shows also what only its origin has, such as where the logs are.
        """
        found = self._metaflow.metadata.get_object("task", "metadata", None, self._attempt, *self.path_components)
        records = [self._noted(record) for record in (found if isinstance(found, list) else [])]
        values = {record.name: record.value for record in records}
        if values.get("origin-task-id"):
            flow, _, step, _ = self.path_components
            origin = Task(
                "/".join((flow, str(values.get("origin-run-id")), step, str(values["origin-task-id"]))),
                _metaflow=self._metaflow,
                _namespace_check=False,
            )
            newest = {record.name: record for record in sorted(origin.metadata, key=lambda r: r.created_at)}
            records.extend(record._replace(task=self) for name, record in newest.items() if name not in values)
        return records

    def _noted(self, record: Dict[str, Any]) -> Any:
        return Metadata(
            name=record.get("field_name"),
            value=record.get("value"),
            created_at=record.get("ts_epoch"),
            type=record.get("type"),
            task=self,
        )

    @property
    def metadata_dict(self) -> Dict[str, Any]:
        """The newest value of each name."""
        return {record.name: record.value for record in sorted(self.metadata, key=lambda r: r.created_at)}

    @property
    def current_attempt(self) -> int:
        """The attempt that was asked for, else the newest that has begun."""
        if self._attempt is not None:
            return self._attempt
        return int(self.metadata_dict.get("attempt", 0))

    @property
    def runtime_name(self) -> Optional[str]:
        """Where it ran, as the tag `runtime:` says; None if no tag does."""
        for tag in self._tags:
            if tag.startswith("runtime:"):
                return str(tag.split(":")[1])
        return None

    @property
    def origin_pathspec(self) -> Optional[str]:
        """The task this one was cloned from; None if it was executed."""
        values = {record.name: record.value for record in self.metadata}
        if not values.get("origin-task-id"):
            return None
        flow, _, step, _ = self.path_components
        return "/".join((flow, str(values.get("origin-run-id")), step, str(values["origin-task-id"])))

    @cached_property
    def code(self) -> Optional[MetaflowCode]:
        """The code it ran with, if that was stored; else None."""
        package = self.metadata_dict.get("code-package")
        return MetaflowCode(self.path_components[0], package) if package else None

    @cached_property
    def environment_info(self) -> Any:
        """What is known of its environment, if its code was stored; else None."""
        code = self.code
        kind = code.info.get("environment_type") if code else None
        if not code or not kind:
            return None
        if kind == "local":
            return "Local environment"
        return code.environment(self.metadata_dict)

    # Logs

    @property
    def stdout(self) -> str:
        """What it wrote to stdout so far; every line ends with a newline."""
        return self._log("stdout")

    @property
    def stderr(self) -> str:
        """What it wrote to stderr so far; every line ends with a newline."""
        return self._log("stderr")

    @property
    def stdout_size(self) -> int:
        """Stored bytes of its stdout, framing included."""
        return self._log_size("stdout")

    @property
    def stderr_size(self) -> int:
        """Stored bytes of its stderr, framing included."""
        return self._log_size("stderr")

    def loglines(
        self, stream: str, as_unicode: bool = True, meta_dict: Optional[Dict[str, Any]] = None
    ) -> Iterator[Tuple[Optional[datetime], Union[str, bytes]]]:
        """(UTC time, line without its newline) of `stdout` or `stderr`, by time.

        as_unicode: lines as str (undecodable bytes replaced), else as bytes. meta_dict: `metadata_dict`, if known.
        A task that has no logs, such as that of `_parameters`, gives one empty line without a time, as in Metaflow.
        """
        where = self._log_place(meta_dict)
        if where is None:
            yield None, "" if as_unicode else b""
            return
        root, attempt = where
        for stamp, line in store.loglines(root, self.path_components, attempt, stream):
            yield datetime.strptime(stamp, _TIME), line.decode("utf-8", "replace") if as_unicode else line

    def _log_place(self, meta_dict: Optional[Dict[str, Any]] = None) -> Optional[Tuple[str, int]]:
        values = self.metadata_dict if meta_dict is None else meta_dict
        if values.get("ds-type") is None or values.get("ds-root") is None:
            return None
        return str(values["ds-root"]), int(values.get("attempt", 0)) if self._attempt is None else self._attempt

    def _log(self, stream: str) -> str:
        return "".join("%s\n" % line for _, line in self.loglines(stream))  # type: ignore[str-bytes-safe]

    def _log_size(self, stream: str) -> int:
        where = self._log_place()
        return store.log_size(where[0], self.path_components, where[1], stream) if where else 0

    # Neighbours

    @property
    def parent_task_pathspecs(self) -> Iterator[str]:
        """Pathspecs of the tasks this one got its inputs from."""
        return parent_pathspecs(self)

    @property
    def child_task_pathspecs(self) -> Iterator[str]:
        """Pathspecs of the tasks that got their inputs from this one."""
        return child_pathspecs(self)

    @property
    def parent_tasks(self) -> Iterator["Task"]:
        """The tasks this one got its inputs from."""
        for pathspec in self.parent_task_pathspecs:
            yield Task(pathspec, _metaflow=self._metaflow, _namespace_check=False)

    @property
    def child_tasks(self) -> Iterator["Task"]:
        """The tasks that got their inputs from this one."""
        for pathspec in self.child_task_pathspecs:
            yield Task(pathspec, _metaflow=self._metaflow, _namespace_check=False)


_CLASSES["task"] = Task
