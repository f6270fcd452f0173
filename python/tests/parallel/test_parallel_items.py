"""How items are handed out: how many at a time, how far ahead, to how many workers."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import threading
import time
from typing import Any, Iterator, List, Tuple

import pytest

from headrace.parallel import parallel_imap_unordered, parallel_map, pool
from headrace.parallel.source import Source


class Unpicklable:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


def test_a_generator_of_what_cannot_be_pickled_starts_few_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = pool.Pool._keep

    def counted(self: Any, child: Any) -> Any:
        keep(self, child)
        assert len(self._workers) < 8
        return child

    monkeypatch.setattr(pool.Pool, "_keep", counted)

    def work(item: Unpicklable) -> int:
        if item.number == 0:
            time.sleep(0.1)  # busy, while the other one says how cheap items are
        return item.number

    results = parallel_imap_unordered(work, (Unpicklable(n) for n in itertools.count()), max_parallel=2)
    assert len(set(itertools.islice(results, 40))) == 40
    results.close()  # type: ignore[attr-defined]


def test_a_generator_is_not_far_ahead() -> None:
    taken: List[int] = []

    def items() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    ahead = 0
    for seen, _ in zip(range(3000), parallel_imap_unordered(abs, items(), max_parallel=2)):
        ahead = max(ahead, len(taken) - seen)
    assert ahead <= 2 * 2 * 64 + 64


def test_a_chunk_of_a_generator_is_bounded_by_time_and_size() -> None:
    def slow() -> Iterator[int]:
        for number in range(100):
            time.sleep(0.002)
            yield number

    assert len(Source(slow()).take(1000, 1)[2]) < 10
    assert len(Source(bytes(400_000) for _ in range(100)).take(1000, 1)[2]) == 3
    assert len(Source(iter(range(10000))).take(1000, 1)[2]) <= 64


def test_more_workers_than_tickets_in_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe2, set_pipe_size = os.pipe2, 1031

    def small_pipe(flags: int) -> Tuple[int, int]:
        ends = pipe2(flags)
        fcntl.fcntl(ends[1], set_pipe_size, 4096)  # 256 tickets
        return ends

    monkeypatch.setattr(os, "pipe2", small_pipe)
    signal.alarm(20)
    try:
        assert parallel_map(abs, range(3000), max_parallel=140) == list(range(3000))
    finally:
        signal.alarm(0)


class Table:
    """Something with a length that makes its items when it is asked for them."""

    def __init__(self) -> None:
        self.made = 0

    def __len__(self) -> int:
        return 1000

    def __iter__(self) -> Iterator[int]:
        for number in range(1000):
            self.made += 1
            yield number


def test_what_makes_its_items_is_consumed_lazily() -> None:
    table = Table()
    results = parallel_imap_unordered(abs, table, max_parallel=1)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert table.made < 10


@pytest.mark.parametrize("items", [{1, 2}, frozenset([1, 2]), {1: 3, 2: 4}, {1: 3, 2: 4}.keys(), {3: 1, 4: 2}.values()])
def test_what_is_in_memory_is_inherited(items: Any) -> None:
    assert Source(items).is_sequence
    assert parallel_map(abs, items) == [1, 2]
