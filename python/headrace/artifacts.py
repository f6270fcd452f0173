"""A task's artifacts: those of its inputs, loaded when they are touched, and its own, stored at its end.

The objects have the methods of Metaflow's task datastores that user code, decorators and cards call.
"""

from __future__ import annotations

import pickle
from types import FunctionType, MethodType
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from . import pickling
from .channel import Bytes, Channel
from .errors import DataException, MetaflowException, UnpicklableArtifactException

#: The encoding every artifact is stored with, whatever the pickle's protocol.
ENCODING = "pickle-v4"
_READABLE = ("pickle-v4", "pickle-v2", "gzip+pickle-v2", "gzip+pickle-v4")

#: Values that nearly every task has, by the key of their pickle: known without asking the engine.
_WELL_KNOWN: Dict[str, Callable[[], Any]] = {
    "c5cf38908fc549f499ade5b17ce221ff0ced377f": list,
    "dbc1aaddc8b7343d6d33b34edcf608b8f8801918": lambda: None,
    "868436778cb011a1c6230bc12534683ab0b7f1c3": lambda: True,
    "2473d4676d5b2aba674167293142f8031ada401b": lambda: False,
}

Manifest = Dict[str, Dict[str, Any]]
#: Where an artifact comes from: the number of an input, or "parameters".
Origin = Union[int, str]


class _Artifacts:
    """What inputs and outputs share: names, keys and the task they belong to."""

    def __init__(self, pathspec: str, attempt: Optional[int]) -> None:
        """pathspec: run/step/task."""
        self._path = pathspec
        self._attempt = attempt

    _objects: Dict[str, str]
    _info: Dict[str, Dict[str, Any]]

    @property
    def pathspec(self) -> str:
        return self._path

    @property
    def run_id(self) -> str:
        return self._path.split("/")[0]

    @property
    def step_name(self) -> str:
        return self._path.split("/")[1]

    @property
    def task_id(self) -> str:
        return self._path.split("/")[2]

    @property
    def attempt(self) -> Optional[int]:
        return self._attempt

    @property
    def pathspec_index(self) -> Tuple[str, Tuple[str, ...]]:
        """`run/step` and the foreach indices of the task as text."""
        indices = ",".join(str(frame.index) for frame in self["_foreach_stack"])
        return "%s/%s[%s]" % (self.run_id, self.step_name, indices), ()

    def __getitem__(self, name: str) -> Any:
        raise NotImplementedError

    def __contains__(self, name: str) -> bool:
        return name in self._objects

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    def items(self) -> Iterable[Tuple[str, str]]:
        """`(name, key of its content)`; equal keys mean equal pickles."""
        return self._objects.items()

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default

    def is_none(self, name: str) -> bool:
        """Whether the artifact is None or does not exist; nothing is loaded."""
        info = self._info.get(name)
        return info is None or info.get("type") == str(type(None))

    def keys_for_artifacts(self, names: Iterable[str]) -> List[Optional[str]]:
        return [self._objects.get(name) for name in names]

    def load_artifacts(self, names: Iterable[str]) -> Iterator[Tuple[str, Any]]:
        for name in names:
            yield name, self[name]

    def get_artifact_sizes(self, names: Iterable[str]) -> Iterator[Tuple[str, int]]:
        """`(name, bytes of its pickle)`."""
        for name in names:
            yield name, int(self._info[name].get("size", 0))

    def to_dict(self, show_private: bool = False, max_value_size: Optional[int] = None, include: Any = None) -> Any:
        """Name -> value; names with `_` only if asked; a text about the size instead of values above max_value_size."""
        values: Dict[str, Any] = {}
        for name in list(self):
            if (include and name not in include) or (name.startswith("_") and not show_private):
                continue
            size = int(self._info[name].get("size", 0))
            if max_value_size is not None and size > max_value_size:
                values[name] = ArtifactTooLarge()
            else:
                values[name] = self[name]
        return values


class ArtifactTooLarge:
    """Stands for a value that was not loaded because of its size."""

    def __str__(self) -> str:
        return "< artifact too large >"


class InputArtifacts(_Artifacts):
    """Artifacts of a finished task, as its manifest has them."""

    def __init__(
        self,
        channel: Callable[[], Channel],
        pathspec: str,
        origin: Origin,
        manifest: Union[Manifest, Callable[[], Manifest]],
        ahead: Optional[Dict[str, Bytes]] = None,
    ) -> None:
        """manifest: or what fetches it, called at first need. ahead: pickles that are here already, by key."""
        super().__init__(pathspec, None)
        self.origin = origin
        self._channel = channel
        self._manifest = manifest
        self._ahead = ahead or {}

    def _open(self) -> None:
        manifest = self._manifest() if callable(self._manifest) else self._manifest
        self._objects = manifest.get("objects") or {}
        self._info = manifest.get("info") or {}

    def __getattr__(self, name: str) -> Any:
        # Only until the manifest is there.
        if name in ("_objects", "_info"):
            self._open()
            return self.__dict__[name]
        raise AttributeError(name)

    def __getitem__(self, name: str) -> Any:
        key = self._objects.get(name)
        if key is None:
            raise KeyError(name)
        if key in _WELL_KNOWN:
            return _WELL_KNOWN[key]()
        if key in self._ahead:
            return pickle.loads(self._ahead[key])
        info = self._info.get(name, {})
        encoding = info.get("encoding", "gzip+pickle-v2")
        if encoding not in _READABLE:
            raise DataException(
                "Artifact '%s' of %s cannot be read: its encoding is %s (serializer %s), this version reads %s. "
                "Install the extension that wrote it."
                % (name, self._path, encoding, info.get("serializer_info"), ", ".join(_READABLE))
            )
        return pickling.load(
            self._channel(),
            {"op": "load", "key": key, "size": info.get("size", -1), "name": name, "path": self._path},
        )


class OutputArtifacts(_Artifacts):
    """Artifacts of the attempt that runs: passed on by reference, or saved at its end."""

    def __init__(self, channel: Callable[[], Channel], pathspec: str, attempt: int) -> None:
        super().__init__(pathspec, attempt)
        self._channel = channel
        self._objects = {}
        self._info = {}
        self._sources: Dict[str, InputArtifacts] = {}
        self._saved: List[str] = []

    def passdown_partial(self, origin: Any, variables: Iterable[str]) -> None:
        """Takes over artifacts of another task by reference; names it does not have are left out."""
        for name in variables:
            key = origin._objects.get(name)
            if key:
                self._objects[name] = key
                self._info[name] = origin._info.get(name, {})
                self._sources[name] = origin

    def __getitem__(self, name: str) -> Any:
        source = self._sources.get(name)
        if source is None:
            raise KeyError(name)
        return source[name]

    def inherit(self) -> List[Dict[str, Any]]:
        """The `inherit` field of `finish`: what was passed on, by origin."""
        names: Dict[Origin, List[str]] = {}
        saved = set(self._saved)
        for name, source in self._sources.items():
            if name not in saved:
                names.setdefault(source.origin, []).append(name)
        return [{"from": origin, "names": found} for origin, found in names.items()]

    def persist(self, flow: Any) -> None:
        """Saves what the flow object holds, and passes on the rest of what its datastore has.

        Raises UnpicklableArtifactException or DataException, naming the artifact.
        """
        self.persist_but_last(flow).flush()

    def persist_but_last(self, flow: Any) -> "_Batch":
        """As `persist`, but the last small artifacts are left for the caller, to go along with `finish`.

        Artifacts are taken off the flow one by one, so that an object and its stored form need not exist together.
        Raises UnpicklableArtifactException or DataException, naming the artifact.
        """
        datastore = flow._datastore
        if datastore is not None and datastore is not self:
            self.passdown_partial(datastore, list(datastore))
        values = _artifacts_of(flow)
        batch = _Batch(self._channel())
        while values:
            name, value = values.pop()
            if not name.startswith("_") and name != "name":
                flow.__dict__.pop(name, None)
            self._save(batch, flow, name, value)
            del value
        # A spun step's datastore has no other task's blobs: what it inherits is stored again, or not at all.
        alone = getattr(flow, "_stands_alone", None)
        for name in [] if alone is None else sorted(set(self._sources) - set(self._saved)):
            if alone == "whole":
                self._save(batch, flow, name, self._sources[name][name])
            del self._sources[name]
        return batch

    def _save(self, batch: "_Batch", flow: Any, name: str, value: Any) -> None:
        cls = type(value)
        try:
            batch.add(name, str(cls), value)
        except MetaflowException:
            raise
        except TypeError as error:
            raise UnpicklableArtifactException(
                name, "%s.%s" % (cls.__module__, cls.__qualname__), self.step_name, str(error)
            ) from error
        except Exception as error:
            raise DataException(
                "Serializer PickleSerializer failed on artifact '%s' (type %s.%s, step *%s*): %s: %s"
                % (name, cls.__module__, cls.__qualname__, self.step_name, type(error).__name__, error)
            ) from error
        self._saved.append(name)


class _Batch:
    """Small pickles on their way in one message."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._heads: List[Dict[str, Any]] = []
        self._pickles: List[bytes] = []
        self._size = 0

    def add(self, name: str, type_text: str, value: Any) -> None:
        pickled = pickling.dump(
            value, lambda: pickling.SaveStream(self._channel, name, type_text, ENCODING)
        )
        if pickled.stream is not None:
            pickled.stream.close()
            return
        data = pickled.data
        assert data is not None
        self._heads.append({"name": name, "type": type_text, "encoding": ENCODING, "size": len(data)})
        self._pickles.append(data)
        self._size += len(data)
        if self._size >= pickling.INLINE_BYTES_MAX:
            self.flush()

    def flush(self) -> None:
        if self._heads:
            heads, payload = self.take()
            self._channel.request("save", payload, artifacts=heads)

    def take(self) -> Tuple[List[Dict[str, Any]], bytes]:
        """What has not been sent: the field `artifacts` and the payload. The batch is empty afterwards."""
        heads, payload = self._heads, b"".join(self._pickles)
        self._heads, self._pickles, self._size = [], [], 0
        return heads, payload


#: Class attributes that are no artifacts; Parameters and constants are properties when a task saves.
_NOT_STORED = (FunctionType, property, classmethod, staticmethod, type)


def _artifacts_of(flow: Any) -> List[Tuple[str, Any]]:
    """`(name, value)` of what a flow object has to save, sorted by name."""
    from .parameters import Parameter

    own = flow.__dict__
    names = set(own)
    seen = set()
    for cls in flow.__class__.__mro__:
        for name, value in cls.__dict__.items():
            if name in seen:
                continue
            seen.add(name)
            if isinstance(value, property):
                names.discard(name)
            elif not isinstance(value, _NOT_STORED):
                names.add(name)
    found = []
    for name in sorted(names - flow._EPHEMERAL):
        if name.startswith("__"):
            continue
        value = own[name] if name in own else getattr(flow, name)
        if not isinstance(value, (MethodType, FunctionType, Parameter)):
            found.append((name, value))
    return found


def save_constants(flow: Any) -> List[Tuple[str, str, bytes]]:
    """`(name, type, pickle)` of what `_parameters` holds, from a flow on which `_set_constants` was called."""
    found = []
    for name, value in _artifacts_of(flow):
        try:
            found.append((name, str(type(value)), pickle.dumps(value, 4)))
        except TypeError as error:
            raise UnpicklableArtifactException(name, type(value).__name__, "_parameters", str(error)) from error
    return found
