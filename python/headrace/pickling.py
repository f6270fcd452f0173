"""Pickles on their way to and from the engine, without a second copy of large buffers.

Small objects are pickled with protocol 4 into memory. As soon as a pickle exceeds `INLINE_BYTES_MAX`, what follows is
streamed: small pieces are gathered, buffers of `DIRECT_BYTES_MIN` or more are read by the engine where they lie.
An array whose buffer has 1 MB or more makes the pickle one of protocol 5 with the buffer in-band, since protocol 4
would first copy it; `reducer_override` sees the array before that. Readers need only `pickle.loads` for either.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, Callable, Dict, List, Optional, TypeVar

from .channel import Bytes, Channel
from .errors import EngineError

Value = TypeVar("Value")

#: Pickles up to this size travel in one message with others.
INLINE_BYTES_MAX = 1 << 20
#: Buffers from this size are passed by address.
DIRECT_BYTES_MIN = 256 << 10
#: Memory for buffers from this size is asked for in huge pages when they are loaded.
HUGE_BYTES_MIN = 8 << 20
#: Bytes asked for or passed in one message.
CHUNK_BYTES = 16 << 20
#: An array from this size is pickled with protocol 5.
_ARRAY_BYTES_MIN = 10**6

_PLAIN_TYPES = (type(None), bool, int, float, str)


class _LargeArray(Exception):
    """Protocol 4 would copy an array."""


class _WatchingPickler(pickle.Pickler):
    """A protocol 4 pickler that stops when it meets a large array."""

    def reducer_override(self, obj: Any) -> Any:
        if _is_array_type(type(obj)) and _array_bytes(obj) >= _ARRAY_BYTES_MIN:
            raise _LargeArray()
        return NotImplemented


_array_types: Dict[type, bool] = {}


def _is_array_type(cls: type) -> bool:
    known = _array_types.get(cls)
    if known is None:
        known = _array_types[cls] = any(
            (base.__module__, base.__name__) in (("numpy", "ndarray"), ("pyarrow.lib", "Buffer")) for base in cls.__mro__
        )
    return known


def _array_bytes(obj: Any) -> int:
    dtype = getattr(obj, "dtype", None)
    if dtype is not None and dtype.hasobject:
        return 0
    return int(getattr(obj, "nbytes", 0) or getattr(obj, "size", 0))


def has_array_types() -> bool:
    """Whether objects of this process can hold large arrays at all."""
    return "numpy" in sys.modules or "pyarrow" in sys.modules


def dump(obj: Any, open_stream: Callable[[], "SaveStream"]) -> "Pickled":
    """Pickles `obj`; the bytes are in the result if they are few, else in the stream that was opened."""
    if type(obj) in _PLAIN_TYPES and (type(obj) is not str or len(obj) < INLINE_BYTES_MAX):
        return Pickled(pickle.dumps(obj, 4), None)
    if type(obj) is bytearray and len(obj) >= _ARRAY_BYTES_MIN:
        return _dump_with(pickle.Pickler, obj, 5, open_stream)
    if not has_array_types():
        return _dump_with(pickle.Pickler, obj, 4, open_stream)
    try:
        return _dump_with(_WatchingPickler, obj, 4, open_stream)
    except _LargeArray:
        return _dump_with(pickle.Pickler, obj, 5, open_stream)


def _dump_with(pickler: Any, obj: Any, protocol: int, open_stream: Callable[[], "SaveStream"]) -> "Pickled":
    sink = _Sink(open_stream)
    try:
        pickler(sink, protocol).dump(obj)
        return sink.result()
    except BaseException:
        sink.abandon()
        raise


class Pickled:
    """data: the pickle, None if it was streamed; stream: where to, None if it was not."""

    __slots__ = ("data", "stream")

    def __init__(self, data: Optional[bytes], stream: Optional["SaveStream"]) -> None:
        self.data = data
        self.stream = stream


class _Sink:
    """The file-like object given to the pickler."""

    def __init__(self, open_stream: Callable[[], "SaveStream"]) -> None:
        self._open_stream = open_stream
        self._pieces: List[bytes] = []
        self._gathered = 0
        self._stream: Optional[SaveStream] = None

    def write(self, data: Any) -> int:
        size = len(data) if type(data) is bytes else memoryview(data).nbytes
        if size >= DIRECT_BYTES_MIN:
            self._spill()
            assert self._stream is not None
            self._stream.write_direct(data)
            return size
        # The pickler reuses nothing it hands out as bytes; other buffers may change after this call.
        self._pieces.append(data if type(data) is bytes else bytes(data))
        self._gathered += size
        if self._gathered > INLINE_BYTES_MAX:
            self._spill()
        return size

    def _spill(self) -> None:
        if self._stream is None:
            self._stream = self._open_stream()
        if self._pieces:
            self._stream.write(b"".join(self._pieces))
            self._pieces = []
            self._gathered = 0

    def result(self) -> Pickled:
        if self._stream is None:
            return Pickled(self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces), None)
        self._spill()
        return Pickled(None, self._stream)

    def abandon(self) -> None:
        if self._stream is not None:
            self._stream.abandon()


class SaveStream:
    """`save_open` ... `write` ... `save_close`."""

    def __init__(self, channel: Channel, name: str, type_text: str, encoding: str) -> None:
        self._channel = channel
        self._id = channel.request("save_open", name=name, type=type_text, encoding=encoding)["stream"]
        self._by_address = True

    def write(self, data: Bytes) -> None:
        self._channel.request("write", data, stream=self._id, length=len(data))

    def write_direct(self, data: Any) -> None:
        """Lets the engine read a large buffer in place; sends it when it cannot."""
        view = _bytes_view(data)
        with _pinned(view, False) as address:
            at = 0
            while at < len(view):
                length = min(CHUNK_BYTES, len(view) - at)
                self._write_chunk(view, at, length, address)
                at += length

    def _write_chunk(self, view: memoryview, at: int, length: int, address: int) -> None:
        if self._by_address:
            try:
                self._channel.request(
                    "write", to_the_end=True, stream=self._id, length=length, address=address + at
                )
                return
            except EngineError as error:
                if error.kind != "retry" or error.what != "memory":
                    raise
                # The kernel forbids it for this process; it will the next time too.
                self._by_address = False
        self._channel.request("write", view[at : at + length], stream=self._id, length=length)

    def close(self) -> str:
        """Key of the stored blob."""
        return str(self._channel.request("save_close", stream=self._id)["key"])

    def abandon(self) -> None:
        """Gives up what was written: the artifact could not be pickled to its end."""
        try:
            self._channel.request("close", stream=self._id)
        except EngineError:
            pass  # The pickling error is the one to tell; the stream ends with the channel.


def _bytes_view(data: Any) -> memoryview:
    if isinstance(data, pickle.PickleBuffer):
        return data.raw()
    return memoryview(data).cast("B")


def _pinned(view: memoryview, writable: bool) -> Any:
    from .memory import Pinned

    return Pinned(view, writable)


def _prefer_huge_pages(view: memoryview) -> None:
    from .memory import prefer_huge_pages

    with _pinned(view, True) as address:
        prefer_huge_pages(address, len(view))


class LoadStream:
    """The file-like object given to the unpickler: `read` of a stream the engine opened for a `load`."""

    def __init__(self, channel: Channel, stream_id: int) -> None:
        self._channel = channel
        self._id = stream_id
        self._ahead: memoryview = memoryview(b"")
        self._ended = False

    def _fill(self) -> bool:
        """Gets the next bytes when none are left; False at the end."""
        if not len(self._ahead) and not self._ended:
            reply = self._channel.request("read", stream=self._id, length=INLINE_BYTES_MAX)
            self._ahead = memoryview(reply.payload)
            self._ended = not len(self._ahead)
        return len(self._ahead) > 0

    def read(self, size: int = -1) -> bytes:
        if 0 <= size <= len(self._ahead):
            data = bytes(self._ahead[:size])
            self._ahead = self._ahead[size:]
            return data
        if size < 0:
            pieces = []
            while self._fill():
                pieces.append(bytes(self._ahead))
                self._ahead = memoryview(b"")
            return b"".join(pieces)
        whole = bytearray(size)
        got = self.readinto(memoryview(whole))
        return bytes(whole if got == size else whole[:got])

    def readline(self) -> bytes:
        line = bytearray()
        while self._fill():
            at = bytes(self._ahead).find(b"\n")
            take = len(self._ahead) if at < 0 else at + 1
            line += self._ahead[:take]
            self._ahead = self._ahead[take:]
            if at >= 0:
                break
        return bytes(line)

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        if len(view) >= HUGE_BYTES_MIN:
            _prefer_huge_pages(view)
        at = 0
        while at < len(view):
            if not len(self._ahead) and not self._ended and len(view) - at >= DIRECT_BYTES_MIN:
                at += self._read_direct(view[at : at + CHUNK_BYTES])
                continue
            if not self._fill():
                break
            take = min(len(self._ahead), len(view) - at)
            view[at : at + take] = self._ahead[:take]
            self._ahead = self._ahead[take:]
            at += take
        return at

    def _read_direct(self, view: memoryview) -> int:
        with _pinned(view, True) as address:
            reply = self._channel.request(
                "read", to_the_end=True, stream=self._id, length=len(view), address=address
            )
        length = int(reply["length"])
        if length == 0:
            self._ended = True
        elif not reply.get("in_place"):
            view[:length] = memoryview(reply.payload)[:length]
        return length

    def drain(self) -> None:
        """Reads to the end, where the engine checks the hash. Raises EngineError if the blob is damaged."""
        self._ahead = memoryview(b"")
        while self._fill():
            self._ahead = memoryview(b"")

    def close(self) -> None:
        """Ends the stream early."""
        if not self._ended:
            self._channel.request("close", stream=self._id)


def again_if_damaged(read: Callable[[], Value]) -> Value:
    """`read()`, once more if what it streams is damaged: damage on the way is gone when the same is read again."""
    try:
        return read()
    except EngineError as error:
        if error.kind != "failed":
            raise
    return read()


def load(channel: Channel, request: Dict[str, Any]) -> Any:
    """The object of one `load` request (fields `op`, `key`, `size`, ...), its hash checked."""
    return again_if_damaged(lambda: _load(channel, request))


def _load(channel: Channel, request: Dict[str, Any]) -> Any:
    reply = channel.request(**request)
    stream_id = reply.get("stream")
    if stream_id is None:
        try:
            return pickle.loads(reply.payload)
        except AttributeError as e:
            raise _of_another_script(e, request) from None
    stream = LoadStream(channel, stream_id)
    try:
        obj = pickle.Unpickler(stream).load()
    except EngineError:
        raise
    except Exception as e:
        # Damaged bytes fail to unpickle in any way; the hash tells what is wrong.
        stream.drain()
        if isinstance(e, AttributeError):
            raise _of_another_script(e, request) from None
        raise
    stream.drain()
    return obj


def _of_another_script(error: AttributeError, request: Dict[str, Any]) -> AttributeError:
    """`error` with advice, if a pickle names something of `__main__` that this process's `__main__` has not."""
    if "Can't get attribute" not in str(error) or "'__main__'" not in str(error):
        return error
    return AttributeError(
        "%s. Artifact `%s` of %s holds an object whose class is defined in the flow's own script: import that class here "
        "under its name, or keep it in a module that both import."
        % (error, request.get("name", "?"), request.get("path", "?"))
    )
