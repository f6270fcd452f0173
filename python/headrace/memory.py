"""Buffers in this process's memory, which the engine reads or fills in place: where they lie, in which pages."""

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


_HUGE_PAGE = 2 << 20
_MADV_HUGEPAGE = 14  # Of <asm-generic/mman-common.h>.
_madvise = ctypes.CDLL(None).madvise
_madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def prefer_huge_pages(address: int, length: int) -> None:
    """Asks for huge pages in the whole 2 MiB blocks of memory that is about to be written: one fault in the place of 512.

    A kernel that has none refuses, and then it is as it was.
    """
    first = -(-address // _HUGE_PAGE) * _HUGE_PAGE
    end = (address + length) // _HUGE_PAGE * _HUGE_PAGE
    if end > first:
        _madvise(first, end - first, _MADV_HUGEPAGE)


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
