"""`metaflow.tuple_util`: named tuples that pickles find in `__main__`."""

from __future__ import annotations

import sys
from collections import namedtuple
from typing import Any, Iterable, Tuple

from headrace.foreach import ForeachFrame  # noqa: F401


def namedtuple_with_defaults(typename: str, field_descr: Iterable[Tuple[str, Any]], defaults: Any = ()) -> Any:
    """A named tuple with defaults, of the module `__main__`. field_descr: names and types."""
    made: Any = namedtuple(typename, [name for name, _ in field_descr], defaults=tuple(defaults))  # type: ignore[misc]
    made.__module__ = "__main__"
    setattr(sys.modules["__main__"], typename, made)
    return made


#: Fields of a ForeachFrame.
foreach_frame_field_list = [("step", str), ("var", str), ("num_splits", int), ("index", int), ("value", str)]
