"""What Linux has and a build of Python, an old kernel or a sandbox may not: memory files, and descriptors of processes."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os

_libc = ctypes.CDLL(None, use_errno=True)
_PIDFD_OPEN = 434  # the same for all processors but alpha
_MEMFD_CREATE = {"x86_64": 319, "aarch64": 279, "ppc64le": 360, "s390x": 350, "riscv64": 279}
_MFD_CLOEXEC = 1
_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def memory_file(name: str) -> int:
    """A descriptor that exec closes. Where there are no memory files it is of a temporary file, which nobody else can open."""
    with contextlib.suppress(AttributeError, OSError):
        return os.memfd_create(name, os.MFD_CLOEXEC)
    fd: int = -1
    number = _MEMFD_CREATE.get(os.uname().machine)
    if number is not None:
        fd = _libc.syscall(ctypes.c_long(number), name.encode(), ctypes.c_uint(_MFD_CLOEXEC))
    if fd >= 0:
        return fd
    import tempfile  # It is large, and hardly ever needed.

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def process_fd(pid: int) -> int:
    """Ready to be read when the process has ended; -1 where there is no such thing. Raises OSError if it has ended already
    (ProcessLookupError), or when there are too many open files."""
    try:
        return os.pidfd_open(pid)
    except AttributeError:
        fd: int = _libc.syscall(ctypes.c_long(_PIDFD_OPEN), ctypes.c_int(pid), ctypes.c_uint(0))
        if fd >= 0:
            return fd
        error = OSError(ctypes.get_errno(), "pidfd_open(2)")
    except OSError as problem:
        error = problem
    if error.errno == errno.ESRCH or error.errno in _NO_ROOM:
        raise error
    return -1
