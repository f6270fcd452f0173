"""Foreach frames: where in its nest of foreaches a task stands.

`ForeachFrame` is pickled into every task's `_foreach_stack` as `__main__.ForeachFrame`, so the class is made an
attribute of `__main__` when this module is imported.
"""

from __future__ import annotations

import sys
from collections import namedtuple
from typing import Any, Dict, List, Optional

#: One level of foreach. step: the step that was fanned out; var: the artifact it iterates; num_splits: how many
#: (None if unbounded); index: which one; value: a short text for the item.
ForeachFrame = namedtuple("ForeachFrame", ["step", "var", "num_splits", "index", "value"], defaults=(None, None, None, None, None))
ForeachFrame.__module__ = "__main__"
setattr(sys.modules["__main__"], "ForeachFrame", ForeachFrame)

#: Characters of the `foreach-stack` metadata in all.
MAX_FOREACH_PATH_LENGTH = 256


def value_chars_max() -> int:
    """Characters kept of an item's text."""
    from . import settings

    return int(settings.MAXIMUM_FOREACH_VALUE_CHARS)


def keeps_values() -> bool:
    """Whether items' texts are recorded."""
    from . import settings

    return bool(settings.INCLUDE_FOREACH_STACK)


def item_text(item: Any, chars_max: int) -> str:
    """The short text that stands for a foreach item in the stack and the metadata."""
    if isinstance(item, (str, int, float)):
        return str(item)[:chars_max]
    import reprlib

    return reprlib.Repr().repr(item)[:chars_max]


def item_at(value: Any, index: Optional[int]) -> Any:
    """`value[index]`, or the item at that position of what has no subscripts (a set)."""
    try:
        return value[index]
    except TypeError:
        from itertools import islice

        assert index is not None
        return next(islice(iter(value), index, index + 1))


def stack_metadata(stack: List[Any]) -> List[Dict[str, Any]]:
    """Metadata fields that say where in its foreaches a task stands; none outside a foreach."""
    texts: List[str] = []
    length = 0
    for frame in stack:
        if not (frame.var and frame.value):
            break
        # A name of a file need not be UTF-8; a record must.
        text = ("%s=%s" % (frame.var, frame.value)).encode("utf-8", "backslashreplace").decode("utf-8")
        length += len(text)
        if length > MAX_FOREACH_PATH_LENGTH:
            break
        texts.append(text)
    path = ",".join("%s:%s" % (frame.step, frame.index) for frame in stack)
    fields: List[Dict[str, Any]] = []
    if texts:
        fields.append({"field": "foreach-stack", "type": "foreach-stack", "value": texts})
    if path:
        fields.append({"field": "foreach-execution-path", "type": "foreach-execution-path", "value": path})
    return fields
