"""Where a buffer lies in this process's memory, so that the engine can read or fill it in place."""

from __future__ import annotations

import ctypes
from typing import Any

_PyBUF_SIMPLE = 0
_PyBUF_WRITABLE = 1


class _Buffer(ctypes.Structure):
    """CPython's `Py_buffer` (stable since 3.0)."""

    _fields_ = [
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    ]


_get = ctypes.pythonapi.PyObject_GetBuffer
_get.argtypes = [ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int]
_get.restype = ctypes.c_int
_release = ctypes.pythonapi.PyBuffer_Release
_release.argtypes = [ctypes.POINTER(_Buffer)]
_release.restype = None


class Pinned:
    """Holds a contiguous buffer in place while it is used by address.

    `with Pinned(view) as address:`. Raises BufferError when it is not contiguous, or not writable if that is asked.
    """

    def __init__(self, view: Any, writable: bool = False) -> None:
        self._view = view
        self._buffer = _Buffer()
        self._flags = _PyBUF_WRITABLE if writable else _PyBUF_SIMPLE

    def __enter__(self) -> int:
        _get(self._view, ctypes.byref(self._buffer), self._flags)
        return int(self._buffer.buf or 0)

    def __exit__(self, *_: Any) -> None:
        _release(ctypes.byref(self._buffer))
