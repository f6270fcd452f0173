"""Buffers in the memory of a forked worker, read in place by its parent: one copy, no file (process_vm_readv(2)).

A kernel may refuse it (Yama's strict scope, an old container runtime's seccomp filter): that is a PermissionError.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

from ..memory import Pinned

# One call copies at most this much, so that a signal is not held back for long.
_STEP_BYTES = 256 << 20
_libc = ctypes.CDLL(None, use_errno=True)
_libc.process_vm_readv.restype = ctypes.c_ssize_t
_libc.process_vm_readv.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong]


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


def address_of(buffer: Any) -> int:
    """Where the bytes of `buffer` (bytes, memoryview, mmap, ...) begin; valid for as long as the caller keeps it."""
    with Pinned(buffer) as address:
        return address


def copy_from(pid: int, address: int, size: int, to: int) -> None:
    """Copies `size` bytes at `address` of process `pid` to the address `to` of this one.

    Raises PermissionError where this is not allowed at all, ProcessLookupError when the process is gone.
    """
    done = 0
    while done < size:
        step = min(size - done, _STEP_BYTES)
        here, there = _Piece(to + done, step), _Piece(address + done, step)
        count = _libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        if count < 0:
            error = ctypes.get_errno()
            raise OSError(errno.EPERM if error == errno.ENOSYS else error, "process_vm_readv: " + os.strerror(error))
        done += count

