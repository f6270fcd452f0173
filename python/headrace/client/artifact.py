"""DataArtifact: one value a task has stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Dict

from headrace.client import store
from headrace.client.base import _CLASSES, MetaflowObject
from headrace.errors import DataException

_ENCODINGS = ("pickle-v2", "pickle-v4", "gzip+pickle-v2", "gzip+pickle-v4")
_INCLUDED_FILE = "<class 'metaflow.includefile.IncludedFile'>"


class DataArtifact(MetaflowObject):
    """One artifact: `DataArtifact("HelloFlow/12/start/1/x")`. It has no children."""

    __module__ = "metaflow.client.core"

    _NAME = "artifact"
    _PARENT_CLASS = "task"
    _CHILD_CLASS = None

    @property
    def _root(self) -> str:
        location: str = self._object["location"]
        if not location.startswith(":root:"):
            raise DataException(
                "The artifact %s was stored by a version of Metaflow before 2.2.5, at %s: this form is not supported."
                % (self.pathspec, location)
            )
        return location[len(":root:") :]

    @property
    def data(self) -> Any:
        """The value. An included file gives its content.

        Raises what unpickling raises, such as ImportError if a class is not importable here.
        """
        encoding = self._object.get("content_type") or "gzip+pickle-v2"
        if encoding not in _ENCODINGS:
            raise DataException(
                "The artifact %s has the encoding '%s', which cannot be read here." % (self.pathspec, encoding)
            )
        value = self._load()
        if type(value).__name__ == "IncludedFile" and type(value).__module__ == "metaflow.includefile":
            return value.decode(self.id)
        return value

    def _load(self) -> Any:
        flow, run, step, task, name = self.path_components
        return store.load(
            self._root, flow, self._object["sha"], name=name, path="/".join((flow, run, step, task))
        )

    @property
    def size(self) -> int:
        """Bytes of its pickle; for an included file those of the file."""
        path = self.path_components
        found = store.manifest(self._root, path[:4], self._attempt)
        info: Dict[str, Any] = found[0]["info"].get(self.id, {}) if found else {}
        if info.get("type") == _INCLUDED_FILE:
            return int(self._load().size)
        return int(info.get("size", 0))

    @property
    def sha(self) -> str:
        """The key of its bytes in the datastore: SHA-1 of the pickle."""
        return str(self._object["sha"])

    @property
    def finished_at(self) -> datetime:
        """When it was stored."""
        return self.created_at


_CLASSES["artifact"] = DataArtifact
