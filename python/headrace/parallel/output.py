"""Workers share the step's stdout and stderr: their lines must not be cut into one another, and nothing is lost at their end."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import io
import os
import sys
from typing import Any, Dict, List, Optional, TextIO

from ..stdio import replaced_streams
from .system import memory_file

_libc = ctypes.CDLL(None)
_c_stdout = ctypes.c_void_p.in_dll(_libc, "stdout")

# In a worker: the lock that all workers of the outermost call share, those of nested calls too.
_shared_lock_fd = -1
# In a worker: its own streams, and those of the parent, which func may have kept under another name.
_kept: List[Any] = []


class WholeLines(io.RawIOBase):
    """A raw stream over a descriptor that writes whole lines, under a lock shared by the workers.

    Locks of fcntl belong to processes, so one memory file serves all workers of a call. What has no newline waits for one; but
    a process that func has forked writes at once, as it may end without a word.
    """

    def __init__(self, fd: int, lock_fd: int) -> None:
        super().__init__()
        self.owner = 0  # the worker's pid
        self._fd = fd
        self._lock_fd = lock_fd
        self._rest = b""
        self._before = b"\x1b[K" if os.isatty(fd) else b""  # erases the progress line behind the cursor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return os.isatty(self._fd)

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        if os.getpid() != self.owner:
            self._write_out(data)
            return len(data)
        whole, newline, rest = (self._rest + bytes(data)).rpartition(b"\n")
        self._rest = rest
        if newline:
            self._write_out(self._before + whole + newline)
        return len(data)

    def flush_rest(self) -> None:
        """Writes what has no newline yet; at the worker's end."""
        if self._rest and os.getpid() == self.owner:
            self._write_out(self._rest)
            self._rest = b""

    def _write_out(self, data: "bytes | bytearray | memoryview") -> None:
        view = memoryview(data)
        # A function that closes all descriptors, as daemons do, has closed the lock too; it can still print.
        with contextlib.suppress(OSError):
            fcntl.lockf(self._lock_fd, fcntl.LOCK_EX)
        try:
            while view:
                view = view[os.write(self._fd, view):]
        finally:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._lock_fd, fcntl.LOCK_UN)


def in_worker() -> bool:
    return _shared_lock_fd >= 0


def new_lock() -> int:
    """For the workers of one call; -1 in a worker, whose own workers share its lock."""
    return -1 if in_worker() else memory_file("parallel_map_lines")


def whole_lines(lock_fd: int) -> Dict[str, TextIO]:
    """For `sys.stdout` and `sys.stderr`, where they are plain files, streams that write whole lines: what a worker uses instead.

    Anything else (a stream that writes to two places, one that a test or a notebook has put there) knows better what to do.
    Made by the parent, once for all workers: in each of them it would copy some 70 of the parent's pages first.
    """
    streams: Dict[str, TextIO] = {}
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        fd = _descriptor(stream)
        if fd is not None:
            streams[name] = io.TextIOWrapper(
                io.BufferedWriter(WholeLines(fd, _shared_lock_fd if lock_fd < 0 else lock_fd)),  # type: ignore[type-var]
                encoding=stream.encoding or "utf-8", errors=stream.errors or "strict", line_buffering=True)
    return streams


def use(streams: Dict[str, TextIO], lock_fd: int) -> None:
    """In a worker: from now on it prints by these."""
    global _shared_lock_fd
    if lock_fd >= 0:
        _shared_lock_fd = lock_fd
    _kept.extend((sys.stdout, sys.stderr, *replaced_streams, *streams.values()))
    for name, stream in streams.items():
        stream.buffer.raw.owner = os.getpid()  # type: ignore[attr-defined]
        setattr(sys, name, stream)


def flush_all() -> None:
    """Writes out what the worker has printed, also a last line without its newline."""
    streams = [*_kept, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__]
    for stream in {id(stream): stream for stream in streams}.values():
        try:
            stream.flush()
            raw = getattr(getattr(stream, "buffer", None), "raw", None)
            if isinstance(raw, WholeLines):
                raw.flush_rest()
        except Exception:
            continue  # Closed, not there, or the reader of the step's output is gone; results still count.
    flush_c()


def flush_c() -> None:
    """What C code has printed, which C keeps too. Of its stdout alone: to flush all would wait for a thread that reads stdin."""
    _libc.fflush(_c_stdout)


def _descriptor(stream: Any) -> Optional[int]:
    if type(stream) is not io.TextIOWrapper:
        return None
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None
