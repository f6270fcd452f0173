"""Channels to the engine: `docs/formats/wire.md`, sections 1 and 2.

A `Door` is what processes inherit; a `Channel` is a connection of this process, made through a door at first use and
made anew in a forked child. A channel may be used by several threads at once: whoever waits reads the socket for all.

An exception raised by a signal handler (`@timeout`, Ctrl-C) may hit a request at any point. While it waits, nothing
has been read, and only its answer is dropped; in the middle of a frame the connection is given up and the next
request makes a new one.
"""

from __future__ import annotations

import _socket
import json
import os
import select
import struct
from _thread import allocate_lock
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from .errors import EngineError, StoreError

Bytes = Union[bytes, bytearray, memoryview]

#: Environment variable with the number of an exec'ed task's door.
DOOR_VARIABLE = "HEADRACE_DOOR"

_HEADER = struct.Struct("<QQQ")
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().raw_decode
#: Requests that are not about stored data.
_PROCESS_OPS = frozenset(("begin", "start_workers", "wait_workers"))
_JSON_BYTES_MAX = 64 << 20
_PAYLOAD_BYTES_MAX = 1 << 40

#: Python handles a signal that comes just before it begins to wait only when the waiting has ended: so that does, now and then.
_NOTICE_S = 1.0


class Reply:
    """An answer: `reply["field"]`, `reply.get("field")`, and `payload`."""

    __slots__ = ("fields", "payload")

    def __init__(self, fields: Dict[str, Any], payload: Bytes) -> None:
        self.fields = fields
        self.payload = payload

    def __getitem__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise EngineError(
                "failed", "an answer of the engine lacks the field `%s`" % name, why="it has %s" % sorted(self.fields),
                next="engine and SDK must come from one installation: install headrace again",
            ) from None

    def get(self, name: str, default: Any = None) -> Any:
        return self.fields.get(name, default)


def encode_frame(request_id: int, fields: Dict[str, Any], payload_size: int = 0) -> bytes:
    """Header and JSON of a frame; the payload follows. Raises EngineError for a text that UTF-8 cannot hold."""
    written = _encode(fields)
    if "\\ud" in written:  # A character beyond the basic plane, or half of one.
        _refuse_halves(fields)
    text = written.encode("ascii")
    if len(text) > _JSON_BYTES_MAX:
        raise EngineError(
            "misuse", "a message to the engine is too large",
            why="its JSON has %d bytes; at most %d are allowed" % (len(text), _JSON_BYTES_MAX),
        )
    return _HEADER.pack(len(text), payload_size, request_id) + text


def _refuse_halves(value: Any) -> None:
    """Raises EngineError for a text with half a character: what Python makes of names and options that are not UTF-8."""
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise EngineError(
                "misuse", "%s is not UTF-8, and cannot be given to the engine" % ascii(value),
                next="give it another name or value, of characters that UTF-8 has",
            ) from None
    elif isinstance(value, dict):
        for key, one in value.items():
            _refuse_halves(key)
            _refuse_halves(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _refuse_halves(one)


def decode_frame(data: Bytes) -> Tuple[int, Dict[str, Any], bytes]:
    """`(request id, fields, payload)` of one whole frame. Raises EngineError if it is not one."""
    view = memoryview(data)
    if len(view) < _HEADER.size:
        raise _bad_frame("it has %d bytes" % len(view))
    json_size, payload_size, request_id = _HEADER.unpack(view[: _HEADER.size])
    if len(view) != _HEADER.size + json_size + payload_size:
        raise _bad_frame("it has %d bytes, its header says otherwise" % len(view))
    text = view[_HEADER.size : _HEADER.size + json_size]
    return request_id, json.loads(bytes(text)), bytes(view[_HEADER.size + json_size :])


def _bad_frame(why: str) -> EngineError:
    return EngineError("failed", "a message of the engine cannot be read", why=why)


class Door:
    """One end of a SOCK_SEQPACKET pair through which a process gets channels."""

    def __init__(self, fd: int) -> None:
        """fd: owned from now on."""
        # `_socket` is the C part of `socket`, without the 5 ms that importing the rest takes.
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        _doors.append(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def connect(self) -> _socket.socket:
        """A new stream to the engine. Raises EngineError when nobody is at the other end."""
        mine, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            message = json.dumps({"op": "connect", "pid": os.getpid()}).encode("ascii")
            rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", theirs.fileno()))
            self._socket.sendmsg([message], [rights])
        except OSError as error:
            mine.close()
            raise _lost(error) from error
        except BaseException:
            mine.close()
            raise
        finally:
            theirs.close()
        return mine

    def close(self) -> None:
        _doors.remove(self)
        self._socket.close()


#: Open doors of this process.
_doors: List[Door] = []


def own_fds() -> List[int]:
    """Descriptors of this process's doors and connections; forked processes know how to deal with them."""
    doors = [door.fileno() for door in _doors]
    return doors + [c._connection.fileno() for c in _channels if c._connection is not None]


def _lost(why: Any) -> EngineError:
    return EngineError(
        "failed", "the connection to the engine was lost", why=str(why),
        next="see the messages of the process that started this run: the engine ended or was killed",
    )


class _Waiter:
    """One request that waits for its answer."""

    __slots__ = ("reply", "done", "_gate")

    def __init__(self) -> None:
        self.reply: Optional[Reply] = None
        self.done = False
        self._gate = allocate_lock()
        self._gate.acquire()

    def wake(self) -> None:
        """Called with the connection's lock held."""
        if self._gate.locked():
            self._gate.release()

    def sleep(self) -> None:
        """Until it is woken, or for a while."""
        self._gate.acquire(timeout=_NOTICE_S)


class _Connection:
    """One stream socket with its requests in flight."""

    def __init__(self, stream: _socket.socket) -> None:
        self._stream = stream
        self._poll = select.poll()
        self._poll.register(stream.fileno(), select.POLLIN)
        self._lock = allocate_lock()
        self._send_lock = allocate_lock()
        self._waiters: Dict[int, _Waiter] = {}
        self._next_id = 1
        self._reader: Optional[_Waiter] = None  # who reads for all
        self.broken: Optional[BaseException] = None

    def request(self, fields: Dict[str, Any], payload: Bytes, to_the_end: bool) -> Reply:
        waiter = _Waiter()
        with self._lock:
            request_id = self._next_id
            self._next_id += 1
            self._waiters[request_id] = waiter
        interruption: Optional[BaseException] = None
        try:
            self._send(encode_frame(request_id, fields, len(payload)), payload)
            while not waiter.done:
                try:
                    self._wait(waiter)
                except BaseException as error:
                    if not to_the_end or self.broken is not None or interruption is not None:
                        raise
                    interruption = error
        finally:
            try:
                self._forget(request_id, waiter)
            finally:
                # Once more: what a signal's handler raises may have come before its first line.
                self._forget(request_id, waiter)
        if interruption is not None:
            raise interruption
        assert waiter.reply is not None
        return waiter.reply

    def _forget(self, request_id: int, waiter: _Waiter) -> None:
        with self._lock:
            self._waiters.pop(request_id, None)
            self._end_reading(waiter)
            if self._reader is None:
                # Somebody else must read now, also when this thread was woken for it and interrupted.
                for other in self._waiters.values():
                    other.wake()
                    break

    def _end_reading(self, waiter: _Waiter) -> None:
        """With the lock held."""
        if self._reader is waiter:
            self._reader = None

    def _send(self, head: bytes, payload: Bytes) -> None:
        buffers: List[Bytes] = [head]
        if len(payload):
            buffers.append(memoryview(payload).cast("B"))
        with self._send_lock:
            if self.broken is not None:
                raise _lost(self.broken)
            try:
                while buffers:
                    sent = self._stream.sendmsg(buffers)
                    while buffers and sent >= len(buffers[0]):
                        sent -= len(buffers.pop(0))
                    if sent:
                        buffers[0] = memoryview(buffers[0])[sent:]
            except OSError as error:
                self._break(error)
                raise _lost(error) from error
            except BaseException as error:
                # A frame was cut by a signal's exception: nothing can follow it.
                self._break(error)
                raise

    def _wait(self, waiter: _Waiter) -> None:
        """Reads for all until `waiter` has its answer, or sleeps until the one who reads says so."""
        with self._lock:
            if waiter.done:
                return
            if self.broken is not None:
                raise _lost(self.broken)
            if self._reader is None:
                self._reader = waiter
        if self._reader is not waiter:
            waiter.sleep()
            return
        frames: List[Tuple[int, Reply]] = []
        try:
            while not self._poll.poll(1000 * _NOTICE_S):
                pass
            self._read_frame(frames)
        finally:
            with self._lock:
                self._end_reading(waiter)
                for request_id, reply in frames:
                    answered = self._waiters.pop(request_id, None)
                    if answered is not None:
                        answered.reply = reply
                        answered.done = True
                        answered.wake()

    def _read_frame(self, into: List[Tuple[int, Reply]]) -> None:
        """Whatever ends it: the frame is in `into`, or the connection is broken."""
        try:
            json_size, payload_size, request_id = _HEADER.unpack(self._read(_HEADER.size))
            if json_size > _JSON_BYTES_MAX or payload_size > _PAYLOAD_BYTES_MAX:
                raise _bad_frame("it claims %d bytes of JSON and %d of payload" % (json_size, payload_size))
            fields = _decode(self._read(json_size).decode("utf-8"))[0]
            payload: Bytes = self._read(payload_size) if payload_size else b""
            into.append((request_id, Reply(fields, payload)))
        except OSError as error:
            self._break(error)
            raise _lost(error) from error
        except BaseException as error:
            self._break(error)
            raise

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        view = memoryview(data)
        at = 0
        while at < size:
            got = self._stream.recv_into(view[at:], size - at)
            if got == 0:
                raise ConnectionResetError("the other end is closed")
            at += got
        return data

    def _break(self, error: BaseException) -> None:
        self.broken = error
        try:
            # Wakes the engine's end and makes every later use of the socket fail.
            self._stream.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass  # Already disconnected, which is what is wanted.
        with self._lock:
            for waiter in self._waiters.values():
                waiter.wake()

    def fileno(self) -> int:
        return self._stream.fileno()

    def close(self) -> None:
        self._stream.close()


class Channel:
    """Requests to the engine, from any thread, also after a fork.

    door: called once in each process that needs a connection, gives the door to make it through.
    """

    def __init__(self, door: Callable[[], Door]) -> None:
        self._door = door
        self._lock = allocate_lock()
        self._connection: Optional[_Connection] = None
        _channels.append(self)

    def request(self, op: str, payload: Bytes = b"", *, to_the_end: bool = False, **fields: Any) -> Reply:
        """Asks and waits for the answer. Raises EngineError for a refusal and when the engine is gone.

        payload: raw bytes that go along. to_the_end: when a signal handler raises meanwhile, wait for the answer
        before letting the exception go on; for requests during which the engine works in this process's memory.
        """
        fields["op"] = op
        reply = self._connected().request(fields, payload, to_the_end)
        if reply.fields.get("ok") is not True:
            error = EngineError if op in _PROCESS_OPS else StoreError
            raise error.from_json(reply.fields.get("error") or {"what": "the engine refused `%s`" % op})
        return reply

    def _connected(self) -> _Connection:
        connection = self._connection
        if connection is not None and connection.broken is None:
            return connection
        with self._lock:
            connection = self._connection
            if connection is None or connection.broken is not None:
                connection = self._connection = _Connection(self._door().connect())
            return connection

    def close(self) -> None:
        """Closes the connection; the door stays."""
        if self in _channels:
            _channels.remove(self)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _after_fork(self) -> None:
        # Other threads may have held the locks: they do not exist here.
        self._lock = allocate_lock()
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_channels: List[Channel] = []


def _after_fork_in_child() -> None:
    for channel in _channels:
        channel._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


# The two channels of a process.

_engine: Optional[Channel] = None
_store: Optional[Channel] = None
_store_lock = allocate_lock()


def attach(door: Door) -> Channel:
    """Makes `door` the way to the engine of this process's attempt."""
    global _engine
    if _engine is not None:
        _engine.close()
    _engine = Channel(lambda: door)
    return _engine


def door_from_environment() -> Optional[Door]:
    """The door an exec'ed process was given; None if there is none. The variable is taken away: it is not for children."""
    text = os.environ.pop(DOOR_VARIABLE, None)
    if text is None:
        return None
    try:
        fd = int(text)
        os.set_inheritable(fd, False)
        return Door(fd)
    except (ValueError, OSError) as error:
        raise EngineError(
            "misuse", "%s=%s names no open descriptor" % (DOOR_VARIABLE, text), why=str(error),
            next="this variable is set by the engine for its tasks: unset it",
        ) from error


def engine_channel() -> Channel:
    """The channel of the attempt this process runs or was forked from. Raises EngineError outside a task."""
    if _engine is None:
        raise EngineError(
            "misuse", "this process is not a task", why="only tasks of a run have a channel to the engine",
            next="use the Client (`metaflow.Run`, `metaflow.Task`) to read what runs have stored",
        )
    return _engine


def store_channel() -> Channel:
    """The channel to this process tree's `headrace store`, which is started at the first request."""
    global _store
    with _store_lock:
        if _store is None:
            from .engine import StoreDoor

            _store = Channel(StoreDoor().get)
        return _store


def _store_after_fork() -> None:
    global _store_lock
    _store_lock = allocate_lock()


os.register_at_fork(after_in_child=_store_after_fork)
