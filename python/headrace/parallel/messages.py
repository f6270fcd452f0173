"""What travels between `parallel_map` and its workers, one datagram a message.

A datagram is a header and a pickle. What is larger than INLINE_BYTES travels in a memory file (memfd) passed as a descriptor,
so that no message meets the socket's limit and the receiver maps large data instead of copying it:

    header: kind (1 byte), form (1 byte), first position, count, nanoseconds of work (8 bytes each)
    INLINE: the pickle follows. FILE: the sizes of the buffers and of the pickle follow; the file holds the buffers, each at
    the start of a page, then the pickle. BARE: nothing follows.
"""

from __future__ import annotations

import mmap
import os
import pickle
import socket
import struct
from typing import Any, List, NamedTuple

INLINE_BYTES = 64 * 1024
DATAGRAM_MAX = INLINE_BYTES + 4096
HEADER = struct.Struct("<ccqqq")  # kind, form, first position, count, nanoseconds of work

# Parent to worker.
ITEMS = b"i"  # pickled items
STOP = b"s"
# Worker to parent.
VALUES = b"v"  # a list of results, for `count` positions from the first one
ERROR = b"e"  # (exception or None, text of type and message, traceback) of one item
UNPICKLABLE = b"u"  # (type of the result, text of the error) of one item
EXITED = b"x"  # code of a SystemExit raised by one item

BARE, INLINE, FILE = b"b", b"i", b"f"


class Message(NamedTuple):
    kind: bytes
    first: int
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    work_ns: int
    body: Any


class Packed(NamedTuple):
    """A pickle (protocol 5) in pieces, and the large buffers kept apart from it. Nothing large has been copied yet."""

    pieces: List[bytes]
    buffers: List[memoryview]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))


def pack(value: Any) -> Packed:
    """Raises what pickling raises."""
    packed = Packed([], [])

    def stays_in_pickle(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < INLINE_BYTES:
            return True
        packed.buffers.append(raw)
        return False

    pickle.Pickler(_Pieces(packed.pieces), protocol=5, buffer_callback=stays_in_pickle).dump(value)
    return packed


class _Pieces:
    """A file for the pickler that keeps what it is given: a large `bytes` object itself, not a copy."""

    def __init__(self, pieces: List[bytes]) -> None:
        self.write = pieces.append


def send_bare(link: socket.socket, kind: bytes, first: int = 0, count: int = 0) -> None:
    link.send(HEADER.pack(kind, BARE, first, count, 0))


def send_packed(link: socket.socket, kind: bytes, first: int, count: int, work_ns: int, packed: Packed) -> None:
    size = packed.size
    if not packed.buffers and size <= INLINE_BYTES:
        link.send(b"".join((HEADER.pack(kind, INLINE, first, count, work_ns), *packed.pieces)))
        return
    lengths = struct.pack("<%dq" % (len(packed.buffers) + 1), *(buffer.nbytes for buffer in packed.buffers), size)
    if len(lengths) > INLINE_BYTES:
        raise OverflowError("%d large buffers in one result" % len(packed.buffers))
    fd = os.memfd_create("parallel_map", os.MFD_CLOEXEC)
    try:
        for buffer in packed.buffers:
            _write_whole(fd, buffer)
            # Each buffer starts on a page, so that mapped arrays are aligned.
            os.lseek(fd, -buffer.nbytes % mmap.PAGESIZE, os.SEEK_CUR)
        for piece in packed.pieces:
            _write_whole(fd, memoryview(piece))
        socket.send_fds(link, [HEADER.pack(kind, FILE, first, count, work_ns), lengths], [fd])
    finally:
        os.close(fd)


def _write_whole(fd: int, view: memoryview) -> None:
    done = 0
    while done < view.nbytes:
        done += os.write(fd, view[done : done + (1 << 30)])


def receive(link: socket.socket) -> "Message | None":
    """The next message; None at the other side's end. Raises BlockingIOError when the socket does not block and has none."""
    try:
        data, fds, _, _ = socket.recv_fds(link, DATAGRAM_MAX, 1)
    except ConnectionResetError:
        return None
    if not data:
        return None
    kind, form, first, count, work_ns = HEADER.unpack_from(data)
    body: Any = None
    if form == INLINE:
        body = pickle.loads(memoryview(data)[HEADER.size :])
    elif form == FILE:
        body = _load_file(fds[0], data[HEADER.size :])
    return Message(kind, first, count, work_ns, body)


def _load_file(fd: int, lengths: bytes) -> Any:
    """Maps the file: the buffers of arrays lie in the mapping, which lives as long as they do."""
    try:
        *sizes, pickled = struct.unpack("<%dq" % (len(lengths) // 8), lengths)
        mapped = mmap.mmap(fd, os.fstat(fd).st_size or 1)
    finally:
        os.close(fd)
    view = memoryview(mapped)
    buffers, at = [], 0
    for size in sizes:
        buffers.append(view[at : at + size])
        at += size + -size % mmap.PAGESIZE
    return pickle.loads(view[at : at + pickled], buffers=buffers)
