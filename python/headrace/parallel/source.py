"""The items of a call: those of a sequence by position, those of an iterator as they are needed."""

from __future__ import annotations

import collections.abc
import itertools
import sys
import time
from typing import Any, Iterable, Iterator, List, Optional, Sequence, Tuple

# An iterator is asked for more items until one of these is reached: what is ready is neither held up nor piled up.
ITERATOR_ITEMS_MAX = 64
ITERATOR_NS_MAX = 4_000_000
ITERATOR_BYTES_MAX = 1 << 20

# Their columns and tables are in memory already, and none of them is a `Sequence`.
TABLE_PACKAGES = ("pandas", "polars", "pyarrow")


class Source:
    """The items. A sequence is inherited by the workers, which are told positions; an iterator is consumed here, as needed."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self.sequence: Sequence[Any] = ()
        self.length: Optional[int] = None
        self.handed_out = 0
        self.done = 0
        self._iterator: Optional[Iterator[Any]] = None
        self._peeked: List[Any] = []
        if _is_in_memory(iterable):
            iterable = list(iterable)
        elif not isinstance(iterable, collections.abc.Sequence) and not _is_array(iterable):
            self._iterator = iter(iterable)
            return
        self.sequence = iterable  # type: ignore[assignment]
        self.length = len(iterable)  # type: ignore[arg-type]

    @property
    def is_sequence(self) -> bool:
        return self.length is not None

    def left(self) -> bool:
        """Whether there are more items. May take one from the iterator."""
        if self._iterator is None:
            return self.handed_out < (self.length or 0)
        if not self._peeked:
            self._peeked = list(itertools.islice(self._iterator, 1))
        return bool(self._peeked)

    def take(self, count: int, workers: int) -> Tuple[int, int, List[Any]]:
        """(first position, count, items); items are empty for a sequence. At most a fair share of what is known to be left."""
        first = self.handed_out
        items: List[Any] = []
        if self._iterator is None:
            left = (self.length or 0) - first
            count = max(1, min(count, left // (2 * workers)))
        else:
            items = self._pull(self._iterator, min(count, ITERATOR_ITEMS_MAX))
            count = len(items)
        self.handed_out += count
        return first, count, items

    def _pull(self, iterator: Iterator[Any], count: int) -> List[Any]:
        items, self._peeked = self._peeked, []
        until = time.perf_counter_ns() + ITERATOR_NS_MAX
        size = sum(map(_bytes_of, items))
        while len(items) < count and size < ITERATOR_BYTES_MAX and time.perf_counter_ns() < until:
            more = list(itertools.islice(iterator, 1))
            if not more:
                break
            items += more
            size += _bytes_of(more[0])
        return items


def _is_in_memory(value: object) -> bool:
    return (isinstance(value, (collections.abc.Set, collections.abc.Mapping, collections.abc.MappingView))
            or type(value).__module__.partition(".")[0] in TABLE_PACKAGES and hasattr(value, "__len__"))


def _is_array(value: object) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0


def _bytes_of(item: Any) -> int:
    """Of what can be large by itself; what an item refers to is not followed."""
    if isinstance(item, (bytes, bytearray, str)):
        return len(item)
    return int(item.nbytes) if _is_array(item) else 0
