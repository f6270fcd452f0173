"""What travels between `parallel_map` and its workers, one datagram a message.

A datagram is a header and a pickle. What is larger than INLINE_BYTES stays out of it, so that no message meets the socket's
limit and large data is copied once: a result is read by the parent in the worker's memory (memory.py), an item travels in a
memory file (memfd) passed as a descriptor, and so does a result where memory cannot be read.

Values that wait for each other are a batch, in which each that could change meanwhile is a pickle of its own.

    header: kind (1 byte), form (1 byte), first position, count, nanoseconds of work (8 bytes each)
    BARE: nothing follows. INLINE: the pickle follows.
    HELD: address and count of a table, and the number of buffers, follow; a row of the table is the address and the size of
    one buffer, or of one piece of the pickle, which come after them. The sender keeps them until the receiver says TAKEN or
    REFUSED.
    FILE: the number of buffers follows; the file holds the buffers, each at the start of a page, then the pickle, then the sizes
    of the buffers.

Unpickling runs code of the user, which may raise anything. So `receive` does not do it: it reads, and `Message.load` unpickles.
"""

from __future__ import annotations

import functools
import mmap
import os
import pickle
import socket
import struct
import sys
from typing import Any, Collection, FrozenSet, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from ..memory import prefer_huge_pages
from . import memory
from .system import memory_file

INLINE_BYTES = 64 * 1024
DATAGRAM_MAX = INLINE_BYTES + 4096
HEADER = struct.Struct("<ccqqq")  # kind, form, first position, count, nanoseconds of work
HELD_TABLE = struct.Struct("<qqq")  # address, rows, how many of them are buffers
HELD_ROW = struct.Struct("<qq")  # address, size
FILE_BUFFERS = struct.Struct("<q")  # how many

# Parent to worker.
ITEMS = b"i"  # a batch of items
STOP = b"s"
TAKEN = b"t"  # what was held has been read
REFUSED = b"r"  # what was held cannot be read: send it another way
# Worker to parent.
VALUES = b"v"  # a batch of results, for `count` positions from the first one
ERROR = b"e"  # the failure (failures.py) of one item
UNPICKLABLE = b"u"  # (type of the result, text of the error) of one item
RETURNED = b"p"  # `count` items from the first one on: let somebody else do them
UNREADABLE = b"n"  # the same, since the first of them cannot be unpickled
EXITED = b"x"  # code of a SystemExit raised by one item

BARE, INLINE, HELD, FILE = b"b", b"i", b"h", b"f"


class Message(NamedTuple):
    kind: bytes
    first: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    work_ns: int
    view: memoryview  # buffers, each at the start of a page, then the pickle
    sizes: Sequence[int]  # of the buffers

    def load(self) -> Any:
        """What was sent. The buffers of arrays stay in `view`, which lives as long as they do. Raises what unpickling raises."""
        buffers, at = [], 0
        for size in self.sizes:
            buffers.append(self.view[at : at + size])
            at += size + -size % mmap.PAGESIZE
        return pickle.loads(self.view[at:], buffers=buffers)

    def results(self) -> Iterable[Tuple[int, Any]]:
        """(position, value) of each in a batch. Raises what unpickling raises."""
        values, pickled, runs = opened(self.load())
        for number in pickled:
            [values[number]] = pickle.loads(values[number])
        if not runs:
            return enumerate(values, self.first)
        ends = [number for number, _ in runs[1:]] + [len(values)]
        return [each for (begin, first), end in zip(runs, ends) for each in enumerate(values[begin:end], first)]


def opened(batch: Any) -> Tuple[List[Any], Collection[int], Sequence[Tuple[int, int]]]:
    """Of what `Batch.packed` has made: the values, the numbers of those that are pickles, and the runs."""
    return (batch, (), ()) if isinstance(batch, list) else batch


class Unreadable(Exception):
    """An item cannot be unpickled in a worker."""


class Items:
    """Those of a batch, each unpickled when it is asked for. Raises Unreadable."""

    def __init__(self, message: Message) -> None:
        self._message = message
        self._values: Optional[List[Any]] = None
        self._pickled: Set[int] = set()

    def __getitem__(self, number: int) -> Any:
        try:
            if self._values is None:
                self._values, pickled, _ = opened(self._message.load())
                self._pickled = set(pickled)
            value = self._values[number]
            if number in self._pickled:
                [value] = pickle.loads(value)
            return value
        except Exception as error:
            raise Unreadable from error


class Packed(NamedTuple):
    """A pickle (protocol 5) in pieces, and the large buffers kept apart from it. Nothing large has been copied yet."""

    pieces: List[bytes]
    buffers: List[memoryview]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def fits_datagram(self) -> bool:
        return not self.buffers and self.size <= INLINE_BYTES


def pack(value: Any) -> Packed:
    """Raises what pickling raises."""
    packed = Packed([], [])

    def stays_in_pickle(buffer: pickle.PickleBuffer) -> bool:
        return _stays_in_pickle(buffer, packed.buffers)

    pickle.Pickler(_Pieces(packed.pieces), protocol=5, buffer_callback=stays_in_pickle).dump(value)
    return packed


def _stays_in_pickle(buffer: pickle.PickleBuffer, apart: List[memoryview]) -> bool:
    """What is large is put to those that stay apart."""
    raw = buffer.raw()
    if raw.nbytes < INLINE_BYTES:
        return True
    apart.append(raw)
    return False


class _Pieces:
    """A file for the pickler that keeps what it is given: a large `bytes` object itself, not a copy."""

    def __init__(self, pieces: List[bytes]) -> None:
        self.write = pieces.append


_SMALL = frozenset((type(None), bool, int, float, complex))
_SMALL_OF_NUMPY = ("bool_", "int64", "int32", "uint8", "float64", "float32")


class Batch:
    """Values for one message, each as it was when it was added: user code may go on with the same object, and change it.

    Travels as a list or, if there is more to say, as a list, the numbers of those values in it that are pickles of [value], and its
    runs: values of which each has the position after that of the one before it. A run is the number of its first value and the
    position of that.
    """

    def __init__(self) -> None:
        self.size = 0  # in bytes, of what can be large
        self._runs: List[Tuple[int, int]] = []
        self.values: List[Any] = []
        self._pickled: List[int] = []
        self._buffers: List[memoryview] = []  # of the value that is being added
        self._small = small_types()

    def __len__(self) -> int:
        return len(self.values)

    def add(self, value: Any) -> Optional[Packed]:
        """Raises what pickling raises. What is large is not taken in, but returned as a batch of its own."""
        kind = type(value)
        if kind in self._small:
            self.values.append(value)
            return None
        if kind is bytes or kind is str:
            if len(value) > INLINE_BYTES:
                return pack([value])
            self.size += len(value)
            self.values.append(value)
            return None
        self._buffers = []
        pickled = pickle.dumps([value], protocol=5, buffer_callback=self._stays_in_pickle)
        if self._buffers or len(pickled) > INLINE_BYTES:
            return Packed([pickled], self._buffers)
        self._pickled.append(len(self.values))
        self.values.append(pickled)
        self.size += len(pickled)
        return None

    def parted(self, at: int) -> "Tuple[Batch, Batch]":
        """The first `at` values, and the others."""
        parts = Batch(), Batch()
        for part, begin, end in ((parts[0], 0, at), (parts[1], at, len(self))):
            part.values = self.values[begin:end]
            part._pickled = [number - begin for number in self._pickled if begin <= number < end]
        return parts

    def go_on_at(self, position: int) -> None:
        """The next value is that of this position."""
        if self._runs and not len(self):
            self._runs.clear()
        if not self._runs or position != self._runs[-1][1] + len(self) - self._runs[-1][0]:
            self._runs.append((len(self), position))

    @property
    def first(self) -> int:
        """The position of the first value."""
        return self._runs[0][1]

    def packed(self) -> Packed:
        runs = self._runs if len(self._runs) > 1 else ()
        return pack((self.values, self._pickled, runs) if self._pickled or runs else self.values)

    def _stays_in_pickle(self, buffer: pickle.PickleBuffer) -> bool:
        return _stays_in_pickle(buffer, self._buffers)


def small_types() -> FrozenSet[type]:
    """What is of such a type is small, and cannot change while it waits in a batch: one pickle for all is enough."""
    return _small_types("numpy" in sys.modules)


@functools.lru_cache(maxsize=None)
def _small_types(with_numpy: bool) -> FrozenSet[type]:
    numpy: Any = sys.modules.get("numpy") if with_numpy else None
    return _SMALL.union(getattr(numpy, name) for name in _SMALL_OF_NUMPY if hasattr(numpy, name))


def send_bare(link: socket.socket, kind: bytes, first: int = 0, count: int = 0) -> None:
    link.send(HEADER.pack(kind, BARE, first, count, 0))


def send_packed(link: socket.socket, kind: bytes, first: int, count: int, work_ns: int, packed: Packed) -> None:
    if packed.fits_datagram:
        link.send(b"".join((HEADER.pack(kind, INLINE, first, count, work_ns), *packed.pieces)))
        return
    fd = memory_file("parallel_map")
    try:
        for buffer in packed.buffers:
            _write_whole(fd, buffer)
            # Each buffer starts on a page, so that mapped arrays are aligned.
            os.lseek(fd, -buffer.nbytes % mmap.PAGESIZE, os.SEEK_CUR)
        for piece in packed.pieces:
            _write_whole(fd, memoryview(piece))
        _write_whole(fd, memoryview(struct.pack("<%dq" % len(packed.buffers), *(buffer.nbytes for buffer in packed.buffers))))
        socket.send_fds(link, [HEADER.pack(kind, FILE, first, count, work_ns), FILE_BUFFERS.pack(len(packed.buffers))], [fd])
    finally:
        os.close(fd)


def offer_held(link: socket.socket, kind: bytes, first: int, count: int, work_ns: int, packed: Packed) -> bytes:
    """Tells the parent where `packed` lies; returns what the caller must keep, with `packed`, until the answer is here."""
    rows = [(memory.address_of(buffer), buffer.nbytes) for buffer in packed.buffers]
    rows += [(memory.address_of(piece), len(piece)) for piece in packed.pieces]
    table = b"".join(HELD_ROW.pack(*row) for row in rows)
    where = HELD_TABLE.pack(memory.address_of(table), len(rows), len(packed.buffers))
    link.send(HEADER.pack(kind, HELD, first, count, work_ns) + where)
    return table


def _write_whole(fd: int, view: memoryview) -> None:
    done = 0
    while done < view.nbytes:
        done += os.write(fd, view[done : done + (1 << 30)])


def receive(link: socket.socket, pid: int = 0) -> "Message | None":
    """The next message; None at the other side's end. Raises BlockingIOError when the socket does not block and has none.

    `pid` is the process at the other side, for what it holds.
    """
    while True:
        try:
            data, fds, _, _ = socket.recv_fds(link, DATAGRAM_MAX, 1)
        except ConnectionResetError:
            return None
        if not data:
            return None
        kind, form, first, count, work_ns = HEADER.unpack_from(data)
        view = memoryview(data)[HEADER.size :]
        sizes: Sequence[int] = ()
        if form == FILE:
            view, sizes = _read_file(fds[0], *FILE_BUFFERS.unpack(view))
        elif form == HELD:
            try:
                view, sizes = _read_held(pid, *HELD_TABLE.unpack(view))
            except ProcessLookupError:
                return None
            except PermissionError:
                _answer(link, REFUSED)
                continue
            _answer(link, TAKEN)
        return Message(kind, first, count, work_ns, view, sizes)


def _answer(link: socket.socket, kind: bytes) -> None:
    """To a worker that waits for it: there is room for it in the socket."""
    try:
        send_bare(link, kind)
    except (BrokenPipeError, ConnectionError):
        pass  # It has died since: its end shows by itself.


def _read_held(pid: int, table_at: int, rows: int, buffer_count: int) -> Tuple[memoryview, Sequence[int]]:
    """Copies what `pid` holds into a mapping of this process."""
    table = bytearray(rows * HELD_ROW.size)
    memory.copy_from(pid, table_at, len(table), memory.address_of(table))
    held = list(HELD_ROW.iter_unpack(table))
    sizes = [size for _, size in held]
    steps = [size + -size % mmap.PAGESIZE for size in sizes[:buffer_count]] + sizes[buffer_count:]
    mapped = mmap.mmap(-1, sum(steps) or 1, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    to = memory.address_of(mapped)
    prefer_huge_pages(to, len(mapped))
    for (address, size), step in zip(held, steps):
        memory.copy_from(pid, address, size, to)
        to += step
    return memoryview(mapped), sizes[:buffer_count]


def _read_file(fd: int, buffer_count: int) -> Tuple[memoryview, Sequence[int]]:
    try:
        view = memoryview(mmap.mmap(fd, os.fstat(fd).st_size))
    finally:
        os.close(fd)
    table_at = len(view) - 8 * buffer_count
    return view[:table_at], struct.unpack("<%dq" % buffer_count, view[table_at:])
