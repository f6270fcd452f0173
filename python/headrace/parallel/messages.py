"""What travels between `parallel_map` and its workers, one datagram a message.

A datagram is a header and a pickle. What is larger than INLINE_BYTES travels in a memory file (memfd) passed as a descriptor,
so that no message meets the socket's limit and the receiver maps large data instead of copying it:

    header: kind (1 byte), form (1 byte), first position (8), count (8), lengths of `count of buffers + 1` parts follow in the pickle
    form INLINE: the pickle follows the header. form FILE: a memory file holds the buffers, then the pickle.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import struct
from typing import Any, List, NamedTuple, Tuple

INLINE_BYTES = 64 * 1024
DATAGRAM_MAX = INLINE_BYTES + 4096
HEADER = struct.Struct("<ccqqq")  # kind, form, first position, count, nanoseconds of work

# Parent to worker.
RANGE = b"r"  # positions of the inherited sequence; no pickle
ITEMS = b"i"  # pickled items
STOP = b"s"
# Worker to parent.
VALUES = b"v"  # a list of results, for `count` positions from the first one
ERROR = b"e"  # (exception or None, text of type and message, traceback) of one item
UNPICKLABLE = b"u"  # (type of the result, text of the error) of one item
EXITED = b"x"  # code of a SystemExit raised by one item

BARE, INLINE, FILE = b"b", b"i", b"f"
_SIZES = struct.Struct("<qq")  # bytes of buffers in the file, bytes of the pickle


class Message(NamedTuple):
    kind: bytes
    first: int
    count: int
    work_ns: int
    body: Any


def pack(value: Any) -> Tuple[bytes, List[pickle.PickleBuffer]]:
    """A pickle (protocol 5) without its large buffers, and these. Raises what pickling raises."""
    buffers: List[pickle.PickleBuffer] = []

    def keep_apart(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < INLINE_BYTES:
            return True  # small ones stay in the pickle
        buffers.append(buffer)
        return False

    out = io.BytesIO()
    _pickler(out, keep_apart).dump(value)
    return out.getbuffer(), buffers  # type: ignore[return-value]


def _pickler(out: io.BytesIO, keep_apart: Any) -> Any:
    return pickle.Pickler(out, protocol=5, buffer_callback=keep_apart)


def send_bare(link: socket.socket, kind: bytes, first: int = 0, count: int = 0) -> None:
    link.send(HEADER.pack(kind, BARE, first, count, 0))


def send_packed(link: socket.socket, kind: bytes, first: int, count: int, work_ns: int,
                packed: Tuple[bytes, List[pickle.PickleBuffer]]) -> None:
    data, buffers = packed
    if not buffers and len(data) <= INLINE_BYTES:
        link.send(b"".join((HEADER.pack(kind, INLINE, first, count, work_ns), data)))
        return
    fd = os.memfd_create("parallel_map", os.MFD_CLOEXEC)
    try:
        sizes = [buffer.raw().nbytes for buffer in buffers]
        for part in [buffer.raw() for buffer in buffers] + [memoryview(data)]:
            _write_whole(fd, part)
            # Each part starts on a page, so that mapped arrays are aligned.
            os.lseek(fd, -os.lseek(fd, 0, os.SEEK_CUR) % mmap.PAGESIZE, os.SEEK_CUR)
        header = HEADER.pack(kind, FILE, first, count, work_ns)
        lengths = struct.pack("<%dq" % (len(sizes) + 1), *sizes, len(data))
        if len(lengths) > INLINE_BYTES:
            raise OverflowError("%d large buffers in one result" % len(sizes))
        socket.send_fds(link, [header, lengths], [fd])
    finally:
        os.close(fd)


def _write_whole(fd: int, view: memoryview) -> None:
    view = view.cast("B") if view.nbytes else view
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
