"""Workers share the step's stdout and stderr: their lines must not be cut into one another."""

from __future__ import annotations

import fcntl
import io
import os
import sys
from typing import Dict, Optional, TextIO

# Writes up to this size to a pipe are atomic (PIPE_BUF).
ATOMIC_BYTES = 4096


class WholeLines(io.RawIOBase):
    """A raw stream over a descriptor that writes whole lines, long ones under a lock shared by the workers.

    Locks of fcntl belong to processes, so one memory file serves all workers of a call.
    """

    def __init__(self, fd: int, lock_fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._lock_fd = lock_fd
        self._rest = b""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        whole, newline, rest = (self._rest + bytes(data)).rpartition(b"\n")
        self._rest = rest
        if newline:
            self._write_out(whole + newline)
        return len(data)

    def flush_rest(self) -> None:
        """Writes what has no newline yet; at the worker's end."""
        if self._rest:
            self._write_out(self._rest)
            self._rest = b""

    def _write_out(self, data: bytes) -> None:
        view = memoryview(data)
        locked = len(data) > ATOMIC_BYTES
        if locked:
            fcntl.lockf(self._lock_fd, fcntl.LOCK_EX)
        try:
            while view:
                view = view[os.write(self._fd, view):]
        finally:
            if locked:
                fcntl.lockf(self._lock_fd, fcntl.LOCK_UN)


def whole_lines(lock_fd: int) -> Dict[str, TextIO]:
    """For `sys.stdout` and `sys.stderr`, where they are real files, streams that write whole lines: what a worker uses instead.

    Made by the parent, once for all workers: in each of them it would copy some 70 of the parent's pages first.
    """
    streams: Dict[str, TextIO] = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        fd = _descriptor(stream)
        if fd is not None:
            streams[name] = io.TextIOWrapper(
                io.BufferedWriter(WholeLines(fd, lock_fd)), encoding=stream.encoding or "utf-8",  # type: ignore[type-var]
                errors=stream.errors or "strict", line_buffering=True)
    return streams


def flush_all() -> None:
    """Writes out what the worker has printed, also a last line without its newline."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
            raw = getattr(getattr(stream, "buffer", None), "raw", None)
            if isinstance(raw, WholeLines):
                raw.flush_rest()
        except (OSError, ValueError):
            continue  # The reader of the step's output is gone; results still count.


def _descriptor(stream: object) -> Optional[int]:
    try:
        return stream.fileno()  # type: ignore[attr-defined, no-any-return]
    except (OSError, ValueError, AttributeError):
        return None
