"""The queue of a call over a sequence: a pipe of positions that all workers read from.

Whoever is free takes the next ticket, so no worker waits for the parent between chunks and none holds items that another could
run. A ticket is one record of a pipe: reads and writes of it are whole.
"""

from __future__ import annotations

import os
import select
import struct
from typing import Optional, Tuple

from .parent import Parent

_RECORD = struct.Struct("<qq")  # first position, count; count 0: there is nothing left


class Tickets:
    """Made in the parent before the workers are forked."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._read_fd, self._write_fd = os.pipe()
        os.set_blocking(self._read_fd, False)

    def put(self, first: int, count: int) -> None:
        """In the parent. It keeps few tickets out, far below what a pipe holds."""
        os.write(self._write_fd, _RECORD.pack(first, count))

    def put_ends(self, workers: int) -> None:
        """Tells each worker to leave. Not by closing the pipe: a process forked meanwhile may hold its other end."""
        os.write(self._write_fd, _RECORD.pack(0, 0) * workers)

    def take(self) -> Optional[Tuple[int, int]]:
        """In a worker: waits for (first position, count); None when there is nothing left."""
        while True:
            try:
                record = os.read(self._read_fd, _RECORD.size)
                break
            except BlockingIOError:
                self._parent.wait(self._read_fd, select.POLLIN)
        first, count = _RECORD.unpack(record) if record else (0, 0)
        return (first, count) if count else None

    def close(self) -> None:
        for fd in (self._read_fd, self._write_fd):
            if fd >= 0:
                os.close(fd)
        self._read_fd = self._write_fd = -1
