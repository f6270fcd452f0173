"""What Flow, Run, Step, Task and DataArtifact have in common: a record, a path, a namespace, children."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict, FrozenSet, Iterator, List, Optional, Type

from headrace.client import state
from headrace.client.provider import Provider
from headrace.errors import (
    MetaflowInternalError,
    MetaflowInvalidPathspec,
    MetaflowNamespaceMismatch,
    MetaflowNotFound,
)

#: Attempts of a task are numbered 0 to 5.
MAX_ATTEMPTS = 6

#: kind -> class; each module of this package adds its own.
_CLASSES: Dict[str, Type["MetaflowObject"]] = {}

_FORMS = {
    "flow": "Flow('FlowName')",
    "run": "Run('FlowName/RunID')",
    "step": "Step('FlowName/RunID/StepName')",
    "task": "Task('FlowName/RunID/StepName/TaskID')",
    "artifact": "DataArtifact('FlowName/RunID/StepName/TaskID/ArtifactName')",
}
_ID_FIELDS = {"flow": "flow_id", "run": "run_number", "step": "step_name", "task": "task_id", "artifact": "name"}


class MetaflowObject:
    """Base of the client's objects.

    pathspec: such as `Flow/run/step`. attempt: of a Task or DataArtifact; default the last one.
    Raises MetaflowInvalidPathspec, MetaflowNotFound, or MetaflowNamespaceMismatch if it is not in the namespace.
    """

    __module__ = "metaflow.client.core"

    _NAME = "base"
    _CHILD_CLASS: Optional[str] = None
    _PARENT_CLASS: Optional[str] = None

    def __init__(
        self,
        pathspec: Optional[str] = None,
        attempt: Optional[int] = None,
        _object: Optional[Dict[str, Any]] = None,
        _parent: Optional["MetaflowObject"] = None,
        _namespace_check: bool = True,
        _metaflow: Optional["Metaflow"] = None,
        _current_namespace: Optional[str] = None,
        _current_metadata: Optional[str] = None,
    ) -> None:
        self._metaflow: Metaflow = _metaflow if _metaflow and not _current_metadata else Metaflow(_current_metadata)
        self._parent = _parent
        self._path_components: Optional[List[str]] = None
        self._attempt = self._checked_attempt(attempt)
        self._pathspec = pathspec
        if _current_namespace is None and _namespace_check:
            _current_namespace = state.get_namespace()
        self._current_namespace = _current_namespace
        # Objects made while the namespace is None stay readable when it is changed later.
        self._namespace_check = _namespace_check and _current_namespace is not None

        if _object is None:
            ids = (pathspec or "").split("/")
            if not pathspec or len(ids) != list(_FORMS).index(self._NAME) + 1:
                raise MetaflowInvalidPathspec("Expects %s" % _FORMS[self._NAME])
            self.id = ids[-1]
            self._object: Dict[str, Any] = self._get_object(*ids)
        else:
            self._object = _object
            self.id = str(_object[_ID_FIELDS[self._NAME]])

        self._created_at = datetime.fromtimestamp(self._object["ts_epoch"] / 1000.0)
        self._user_tags = frozenset(self._object.get("tags") or ())
        self._system_tags = frozenset(self._object.get("system_tags") or ())
        self._tags = self._user_tags | self._system_tags

        if self._namespace_check and not self._is_in_namespace(self._current_namespace):
            raise MetaflowNamespaceMismatch(self._current_namespace)

    def _checked_attempt(self, attempt: Optional[int]) -> Optional[int]:
        if attempt is None:
            return None
        if self._NAME not in ("task", "artifact"):
            raise MetaflowNotFound("Attempts can only be specified for Task or DataArtifact")
        try:
            number = int(attempt)
        except (TypeError, ValueError):
            raise MetaflowNotFound("Attempt can only be an integer") from None
        if number < 0:
            raise MetaflowNotFound("Attempt can only be non-negative")
        if number >= MAX_ATTEMPTS:
            raise MetaflowNotFound("Attempt can only be smaller than %d" % MAX_ATTEMPTS)
        return number

    def _get_object(self, *path_components: str) -> Dict[str, Any]:
        found = self._metaflow.metadata.get_object(self._NAME, "self", None, self._attempt, *path_components)
        if not isinstance(found, dict):
            raise MetaflowNotFound("%s does not exist" % self)
        return found

    # Children

    def _child_records(self) -> List[Dict[str, Any]]:
        """Records of the children in the namespace, newest first."""
        assert self._CHILD_CLASS is not None
        filters = {"any_tags": self._current_namespace or ""} if self._namespace_check else {}
        found = self._metaflow.metadata.get_object(
            self._NAME, self._CHILD_CLASS, filters, self._attempt, *self.path_components
        )
        records = found if isinstance(found, list) else []
        return sorted(records, key=lambda record: record["ts_epoch"], reverse=True)

    def _child(self, record: Dict[str, Any]) -> Any:
        assert self._CHILD_CLASS is not None
        return _CLASSES[self._CHILD_CLASS](
            attempt=self._attempt,
            _object=record,
            _parent=self,
            _metaflow=self._metaflow,
            _namespace_check=self._namespace_check,
            _current_namespace=self._current_namespace if self._namespace_check else None,
        )

    def __iter__(self) -> Iterator[Any]:
        """The children in the namespace, newest first."""
        children = (self._child(record) for record in self._child_records())
        return (child for child in children if self._iter_filter(child))

    def _iter_filter(self, child: Any) -> bool:
        return True

    def _filtered_children(self, *tags: str) -> Iterator[Any]:
        for child in self:
            if all(tag in child.tags for tag in tags):
                yield child

    def _ipython_key_completions_(self) -> List[str]:
        return [child.id for child in self]

    def _get_child(self, id: str) -> Optional[Dict[str, Any]]:
        assert self._CHILD_CLASS is not None
        path = self.path_components + [id]
        found = self._metaflow.metadata.get_object(self._CHILD_CLASS, "self", None, self._attempt, *path)
        return found if isinstance(found, dict) else None

    def __getitem__(self, id: str) -> Any:
        """The child of this name. Raises KeyError if there is none."""
        record = self._get_child(id)
        if not record:
            raise KeyError(id)
        return self._child(record)

    def __contains__(self, id: str) -> bool:
        return bool(self._get_child(id))

    # Namespace

    def is_in_namespace(self) -> bool:
        """Whether this object is in the namespace in use now; always True if that is None."""
        return self._is_in_namespace(state.get_namespace())

    def _is_in_namespace(self, ns: Optional[str]) -> bool:
        return ns is None or ns in self._tags

    # Where it stands

    @classmethod
    def _url_token(cls) -> str:
        return "%ss" % cls._NAME

    @property
    def tags(self) -> FrozenSet[str]:
        """User and system tags of the run this belongs to."""
        return self._tags

    @property
    def system_tags(self) -> FrozenSet[str]:
        """Tags of the run that were set by the system, such as `user:ann`."""
        return self._system_tags

    @property
    def user_tags(self) -> FrozenSet[str]:
        """Tags of the run that were set by people."""
        return self._user_tags

    @property
    def created_at(self) -> datetime:
        """When this came to be, in local time."""
        return self._created_at

    @property
    def origin_pathspec(self) -> Optional[str]:
        """What this was cloned from by `resume`; None if it was not."""
        parent = self.parent.origin_pathspec if self.parent else None
        return "%s/%s" % (parent, self.id) if parent else None

    @property
    def parent(self) -> Optional["MetaflowObject"]:
        """The object above; None for a Flow."""
        if self._PARENT_CLASS is None:
            return None
        if self._parent is None:
            self._parent = _CLASSES[self._PARENT_CLASS](
                self.pathspec.rpartition("/")[0],
                attempt=self._attempt if self._NAME == "artifact" else None,
                _metaflow=self._metaflow,
                _namespace_check=False,
                _current_namespace=self._current_namespace,
            )
        return self._parent

    @property
    def pathspec(self) -> str:
        """What to give to the constructor to get this object: `Flow/run/step/task/artifact`, as far as it goes."""
        if self._pathspec is None:
            parent = self.parent
            self._pathspec = "%s/%s" % (parent.pathspec, self.id) if parent else self.id
        return self._pathspec

    @property
    def path_components(self) -> List[str]:
        """The parts of `pathspec`."""
        if self._path_components is None:
            self._path_components = self.pathspec.split("/")
        return list(self._path_components)

    def __str__(self) -> str:
        attempt = "" if self._attempt is None else ", attempt=%d" % self._attempt
        return "%s('%s'%s)" % (self.__class__.__name__, self.pathspec, attempt)

    def __repr__(self) -> str:
        return str(self)

    # Pickles

    def __getstate__(self) -> Dict[str, Any]:
        # The form is Metaflow's (2.12.27 and later), so that artifacts holding client objects can be exchanged.
        metadata = self._metaflow.metadata.metadata_str()
        return {
            "version": "2.12.27",
            "data": [self.pathspec, self._attempt, metadata, self._current_namespace, self._namespace_check],
        }

    def __setstate__(self, state: Dict[str, Any]) -> None:
        if "version" not in state or "data" not in state:
            # Pickles of Metaflow before 2.8.4 hold the object's attributes.
            self.__init__(  # type: ignore[misc]
                pathspec=state.get("_pathspec"),
                attempt=state.get("_attempt"),
                _namespace_check=state.get("_namespace_check", False),
            )
            return
        if state["version"] not in _PICKLED_FIELDS:
            raise MetaflowInternalError(
                "Unpickling this object requires a Metaflow version greater than or equal to %s" % state["version"]
            )
        fields = _PICKLED_FIELDS[state["version"]]
        if len(fields) != len(state["data"]):
            raise MetaflowInternalError("Unexpected size of array: %d" % len(state["data"]))
        self.__init__(**dict(zip(fields, state["data"])))  # type: ignore[misc]


_PICKLED_FIELDS = {
    "2.8.4": ("pathspec", "attempt", "_namespace_check"),
    "2.12.4": ("pathspec", "attempt", "_current_namespace", "_namespace_check"),
    "2.12.27": ("pathspec", "attempt", "_current_metadata", "_current_namespace", "_namespace_check"),
}


class Metaflow:
    """All flows of the metadata in use, as far as they are in the namespace.

    Iterates over them; `Metaflow()["name"]` is one of them.
    """

    __module__ = "metaflow.client.core"

    def __init__(self, _current_metadata: Optional[str] = None) -> None:
        if _current_metadata:
            from headrace.client.provider import provider_for

            self.metadata: Provider = provider_for(_current_metadata)
        else:
            self.metadata = state.current_provider()

    @property
    def flows(self) -> List[Any]:
        """The flows that have a run in the namespace."""
        return list(self)

    def __iter__(self) -> Iterator[Any]:
        """The flows that have a run in the namespace."""
        found = self.metadata.get_object("root", "flow", None, None)
        for record in found if isinstance(found, list) else []:
            try:
                yield _CLASSES["flow"](_object=record, _metaflow=self)
            except MetaflowNamespaceMismatch:
                continue

    def __str__(self) -> str:
        return "Metaflow()"

    def __getitem__(self, name: str) -> Any:
        """The flow of this name. Raises MetaflowNotFound or MetaflowNamespaceMismatch."""
        return _CLASSES["flow"](name, _metaflow=self)

    def _ipython_key_completions_(self) -> List[str]:
        return [flow.id for flow in self]

