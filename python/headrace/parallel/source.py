"""The items of a call: those of a sequence by position, those of an iterator as they are needed."""

from __future__ import annotations

import collections
import sys
import time
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from . import messages
from .held import Held

# An iterator is asked for more items until one of these is reached: what is ready is neither held up nor piled up.
ITERATOR_ITEMS_MAX = 64
ITERATOR_NS_MAX = 4_000_000
ITERATOR_BYTES_MAX = messages.INLINE_BYTES

# All workers may index these at once, as they are memory and nothing else. A class of the user's may read from a file, say, whose
# position all processes share.
INDEXED = (list, tuple, range, str, bytes, bytearray, memoryview)
# These are in memory too, so that a list of their items costs little.
_DICT: Dict[Any, Any] = {}
_ORDERED = collections.OrderedDict(_DICT)
LISTED: Tuple[type, ...] = (
    set, frozenset, collections.deque, dict, type(_DICT.keys()), type(_DICT.values()), type(_DICT.items()),
    collections.OrderedDict, type(_ORDERED.keys()), type(_ORDERED.values()), type(_ORDERED.items()))
# Their columns and tables are in memory already, and none of them is a `Sequence`.
TABLE_PACKAGES = ("pandas", "polars", "pyarrow")

_END = object()


class Chunk(NamedTuple):
    """Items of an iterator that one worker gets."""

    first: int
    items: List[Any]
    large: Optional[messages.Packed]  # the one item, if it is large
    batch: Optional[messages.Batch]  # the items; with neither of both, they are to be inherited

    @property
    def end(self) -> int:
        return self.first + len(self.items)

    def parted(self, position: int) -> "Tuple[Chunk, Chunk]":
        """That before `position`, and that from there."""
        at = position - self.first
        batches = (None, None) if self.batch is None else self.batch.parted(at)
        return (Chunk(self.first, self.items[:at], self.large, batches[0]), Chunk(position, self.items[at:], self.large, batches[1]))

    def to_be_inherited(self) -> Chunk:
        return Chunk(self.first, self.items, None, None)

    def packed(self) -> Optional[messages.Packed]:
        return self.large or (None if self.batch is None else self.batch.packed())


class Source:
    """The items. A sequence is inherited by the workers, which are told positions; an iterator is consumed here, as needed."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self.sequence: Sequence[Any] = ()
        self.length: Optional[int] = None
        self.handed_out = 0
        self.done = 0
        self.items_pickle = True
        self.is_ready = True  # whether the iterator has given the last items without taking its time
        self._items_differ = False  # Else the iterator changes the object that it has given.
        self._last_id = 0
        self._iterator: Optional[Iterator[Any]] = None
        self._at_hand: Deque[Chunk] = collections.deque()  # what has been taken from the iterator, and no worker has
        if _is_listed(iterable):
            iterable = list(iterable)
        elif not _is_indexed(iterable):
            self._iterator = iter(iterable)
            return
        self.sequence = iterable  # type: ignore[assignment]
        self.length = len(iterable)  # type: ignore[arg-type]

    @property
    def is_sequence(self) -> bool:
        return self.length is not None

    @property
    def left(self) -> bool:
        """Whether there are more items, or may be."""
        return self._iterator is not None or bool(self._at_hand) or self.handed_out < (self.length or 0)

    def take(self, count: int, workers: int) -> Tuple[int, int]:
        """(first position, count) of items of a sequence: at most a fair share of those that are left."""
        first = self.handed_out
        count = max(1, min(count, ((self.length or 0) - first) // (2 * workers)))
        self.handed_out += count
        return first, count

    def pull(self, count: int, enough: Callable[[], bool]) -> Optional[Chunk]:
        """Up to `count` items of the iterator, fewer if there is `enough`; None at its end."""
        if not self._at_hand and self._iterator is not None:
            self._pull(min(count, ITERATOR_ITEMS_MAX), enough)
        if not self._at_hand:
            return None
        chunk = self._at_hand.popleft()
        if len(chunk.items) > count:
            chunk, rest = chunk.parted(chunk.first + count)
            self._at_hand.appendleft(rest)
        return chunk

    def take_back(self, chunk: Chunk) -> None:
        self._at_hand.append(chunk)

    def _pull(self, count: int, enough: Callable[[], bool]) -> None:
        """Each item is pickled before the next one is asked for, as the iterator may change it then."""
        first = self.handed_out
        items: List[Any] = []
        batch = messages.Batch()
        until = time.perf_counter_ns() + ITERATOR_NS_MAX
        alone: Optional[Chunk] = None
        while alone is None and len(items) < count and batch.size < ITERATOR_BYTES_MAX:
            if items and (time.perf_counter_ns() > until or enough() or not self.items_pickle and not self._items_differ):
                break
            item = next(self._iterator, _END)  # type: ignore[arg-type]
            if item is _END:
                self._iterator = None
                break
            large = self._add(batch, item) if self.items_pickle else None
            self._items_differ = id(item) != self._last_id
            self._last_id = id(item)
            if large is None and (self.items_pickle or not batch):
                items.append(item)
            else:
                alone = Chunk(first + len(items), [item], large, None)
        self.is_ready = time.perf_counter_ns() < until
        if items:
            self._at_hand.append(Chunk(first, items, None, batch or None))
        if alone is not None:
            self._at_hand.append(alone)
        self.handed_out += len(items) + (alone is not None)

    def _add(self, batch: messages.Batch, item: Any) -> Optional[messages.Packed]:
        """Returns the item if it is too large for a batch. If it cannot be pickled, items are inherited from now on."""
        try:
            return batch.add(item)
        except Exception as error:
            with Held():
                try:
                    messages.pack(item)
                except Exception:
                    self.items_pickle = False
                    return None
            raise error  # It was not the item's, but that of a timeout's handler.


def _is_indexed(value: object) -> bool:
    methods = ("__getitem__", "__len__", "__iter__")
    return any(isinstance(value, kind) and _is_own(value, kind, *methods) for kind in INDEXED) or _is_array(value)


def _is_listed(value: object) -> bool:
    return (any(isinstance(value, kind) and _is_own(value, kind, "__iter__") for kind in LISTED)
            or type(value).__module__.partition(".")[0] in TABLE_PACKAGES and hasattr(value, "__len__"))


def _is_own(value: object, kind: type, *methods: str) -> bool:
    """Whether the class of `value` has left these methods of `kind` as they are."""
    return all(getattr(type(value), method, None) is getattr(kind, method, None) for method in methods)


def _is_array(value: object) -> bool:
    """Those of numpy's own classes, mapped files among them."""
    numpy: Any = sys.modules.get("numpy")
    return (numpy is not None and isinstance(value, getattr(numpy, "ndarray", ())) and value.ndim > 0  # type: ignore[attr-defined]
            and (_is_own(value, numpy.ndarray, "__getitem__") or type(value).__module__.partition(".")[0] == "numpy"))
