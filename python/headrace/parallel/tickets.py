"""The queue of a call over a sequence: a pipe of positions that all workers read from.

Whoever is free takes the next ticket, so no worker waits for the parent between chunks. A worker that has more to do than was
planned puts tickets for what it has not begun, so none holds items that another could run. A ticket is one record of a pipe:
reads and writes of it are whole.
"""

from __future__ import annotations

import collections
import mmap
import os
import struct
from typing import Callable, Deque, Optional, Tuple

from .parent import Parent

_RECORD = struct.Struct("<qq")  # first position, count; count 0: there is nothing left


class Tickets:
    """Made in the parent before the workers are forked."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._read_fd, self._write_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._late: Deque[bytes] = collections.deque()  # What the pipe, which may hold no more than 256, has no room for.
        self._shared = mmap.mmap(-1, 1)

    def put(self, first: int, count: int) -> None:
        """In the parent. Never waits."""
        self._late.append(_RECORD.pack(first, count))
        self.push()

    def put_end(self) -> None:
        """Tells all workers to leave. Not by closing the pipe: a process forked meanwhile may hold its other end."""
        self.put(0, 0)

    def push(self) -> None:
        """Puts what there was no room for. There is more when workers have taken some."""
        while self._late:
            try:
                os.write(self._write_fd, self._late[0])
            except BlockingIOError:
                return
            self._late.popleft()

    @property
    def may_gather(self) -> bool:
        """In a worker: whether nobody waits for single results, nor for room for more tickets. Set by the parent."""
        return self._shared[0] == 1

    @may_gather.setter
    def may_gather(self, may: bool) -> None:
        self._shared[0] = may

    @property
    def full(self) -> bool:
        return bool(self._late)

    def begin(self) -> None:
        """In a worker."""
        self._parent.watch_tickets(self._read_fd)

    def take(self, before_waiting: Callable[[], None]) -> Optional[Tuple[int, int]]:
        """In a worker: waits for (first position, count); None when there is nothing left."""
        while True:
            try:
                record = os.read(self._read_fd, _RECORD.size)
                break
            except BlockingIOError:
                before_waiting()
                self._parent.wait_for_tickets()
        first, count = _RECORD.unpack(record) if record else (0, 0)
        if count:
            return first, count
        os.write(self._write_fd, _RECORD.pack(0, 0))  # For the next one. There is room where this one was.
        return None

    def give_back(self, first: int, end: int, parts: int) -> int:
        """In a worker: puts tickets for items from `first` to before `end`, but the first part of them; returns where that ends."""
        size = max(1, (end - first) // parts)
        while end - first > size:
            try:
                os.write(self._write_fd, _RECORD.pack(end - size, size))
            except BlockingIOError:
                break
            end -= size
        return end

    def close(self) -> None:
        for fd in (self._read_fd, self._write_fd):
            if fd >= 0:
                os.close(fd)
        self._read_fd = self._write_fd = -1
