"""An exception of a worker, on its way to the parent: as itself if it survives the way, else as one of a class that it is derived
from, else as text."""

from __future__ import annotations

import contextlib
import copyreg
import pickle
from types import FunctionType
from typing import Any, Callable, List, NamedTuple, Optional


class Failure(NamedTuple):
    """Of builtin types only: reading it cannot fail."""

    pickled: Optional[bytes]  # itself or, if that cannot be pickled, what is nearest to it; None if that says nothing
    text: str  # its type and message
    trace: str  # as Python prints it, without the frames of the worker itself


def described(error: BaseException) -> Failure:
    import traceback

    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    try:
        trace = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:
        trace = said(error)
    return Failure(_pickled(error) or _pickled_stand_in(error), said(error), trace)


def restored(pickled: bytes) -> Any:
    """Raises what unpickling raises: a class may exist in the worker only."""
    sent = pickle.loads(pickled)
    return sent if isinstance(sent, BaseException) else _rebuilt(*sent)


def said(error: BaseException) -> str:
    """Type and text."""
    try:
        return "%s: %s" % (type_name(error), error)
    except Exception:
        return "%s (its __str__ fails)" % type_name(error)


def type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def _pickled(error: BaseException) -> Optional[bytes]:
    kind = type(error)
    wants = isinstance(kind.__reduce__, FunctionType) or kind.__reduce_ex__ is not object.__reduce_ex__ or kind in copyreg.dispatch_table
    ways: List[Callable[[], Any]] = [lambda: error, error.__reduce__]
    for give in ways if wants else reversed(ways):
        try:
            pickled = pickle.dumps(give())
            if type(restored(pickled)) is kind:
                return pickled
        except Exception:
            continue
    return None


def _pickled_stand_in(error: BaseException) -> Optional[bytes]:
    """Of the nearest class above its own: so `except` in the caller finds it. Not of those that all errors have in common."""
    for kind in type(error).__mro__[1:]:
        if kind in (Exception, BaseException) or not issubclass(kind, BaseException):
            continue
        for args in (error.args, (str(error),)):
            with contextlib.suppress(Exception):
                stand_in = _rebuilt(kind, args)
                pickled = _pickled(stand_in)
                if pickled is not None and str(stand_in) == str(error):
                    return pickled
    return None


def _rebuilt(kind: Any, args: Any, state: Any = None) -> Any:
    """From what an exception's own `__reduce__` gives, without the `__init__` that Python code wrote for it.

    Pickle calls that with `args`. But `args` is what it has passed on to the class below, so it would add its text again, or
    miss an argument.
    """
    error = kind.__new__(kind, *args)
    below = next(base for base in kind.__mro__ if "__init__" in vars(base) and not isinstance(vars(base)["__init__"], FunctionType))
    below.__init__(error, *args)
    if state:
        error.__setstate__(state)
    return error
