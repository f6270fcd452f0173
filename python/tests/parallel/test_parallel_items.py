"""How items are handed out: how many at a time, how far ahead, to how many workers."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest

from headrace.parallel import WorkerDied, messages, parallel_imap_unordered, parallel_map, pool
from headrace.parallel.source import Source


class Unpicklable:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


class UnpicklableList(list):  # type: ignore[type-arg]
    def __reduce__(self) -> Any:
        raise TypeError


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

    assert length(slow()) < 10
    assert length(bytes(20_000) for _ in range(100)) == 4
    assert length([bytes(20_000)] for _ in range(100)) == 4
    assert length(bytes(400_000) for _ in range(100)) == 1
    assert length(iter(range(10000))) <= 64


def length(items: Iterator[Any]) -> int:
    """Of the first chunk."""
    chunk = Source(items).pull(1000, lambda: False)
    assert chunk is not None
    return len(chunk.items)


def test_an_iterator_may_use_an_object_again() -> None:
    numpy = pytest.importorskip("numpy")
    small, large = [0], numpy.zeros(20_000)

    def items(used_again: Any) -> Iterator[Any]:
        for number in range(200):
            used_again[0] = number
            yield used_again

    assert parallel_map(lambda item: item[0], items(small), max_parallel=2) == list(range(200))
    assert parallel_map(lambda item: item[0], items(large), max_parallel=2) == list(range(200))
    assert parallel_map(lambda item: item[0], items(UnpicklableList([0])), max_parallel=2) == list(range(200))


def test_large_items_of_an_iterator_are_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    numpy = pytest.importorskip("numpy")
    monkeypatch.setattr(pool, "COPY_NS_PER_BYTE", 100)  # Where a fork takes long, as on a busy machine, they are copied.
    matrix = numpy.ones(50_000_000 // 8)
    assert parallel_map(lambda item: (item[0] is matrix, item[1]), ((matrix, n) for n in range(4)), max_parallel=2) == [
        (True, n) for n in range(4)]


class Rows(Sequence):  # type: ignore[type-arg]
    """Reads from a file, whose position all processes share."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __len__(self) -> int:
        return 2000

    def __getitem__(self, position: Any) -> Any:
        if not 0 <= position < 2000:
            raise IndexError
        self.file.seek(position * 4096)
        return self.file.read(4096)


def test_a_sequence_of_the_users_own_is_read_by_one_process(tmp_path: Path) -> None:
    tmp_path.joinpath("rows").write_bytes(b"".join(number.to_bytes(4096, "little") for number in range(2000)))
    with tmp_path.joinpath("rows").open("rb", buffering=0) as file:
        assert not Source(Rows(file)).is_sequence
        assert parallel_map(lambda row: int.from_bytes(row[:8], "little"), Rows(file), max_parallel=2) == list(range(2000))


def test_what_is_inherited_without_a_look() -> None:
    numpy = pytest.importorskip("numpy")

    class Plain(list):  # type: ignore[type-arg]
        pass

    class Odd(list):  # type: ignore[type-arg]
        def __getitem__(self, position: Any) -> Any:
            return "odd"

    array = numpy.arange(3)
    for items in ([], (), range(3), "abc", b"abc", bytearray(3), memoryview(b"abc"), Plain(), array, numpy.ma.array([1, 2])):
        assert Source(items).sequence is items
    for lazy in (Odd(), Rows(None), numpy.array(3).reshape(1).flat, LazyMapping().values(), LazyMapping().items(), LazyMapping()):
        assert not Source(lazy).is_sequence


class LazyMapping(Mapping):  # type: ignore[type-arg]
    made = 0

    def __len__(self) -> int:
        return 100

    def __iter__(self) -> Iterator[int]:
        return iter(range(100))

    def __getitem__(self, key: int) -> int:
        LazyMapping.made += 1
        return key


def test_the_values_of_a_lazy_mapping_are_made_when_they_are_needed() -> None:
    results = parallel_imap_unordered(abs, LazyMapping().values(), max_parallel=1)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert LazyMapping.made < 10


def test_an_iterator_may_wait_for_what_the_caller_does_with_results() -> None:
    todo = [2, 2, 2]

    def items() -> Iterator[int]:
        while todo:
            yield todo.pop()

    def lesser(number: int) -> List[int]:
        return [number - 1] * number

    done = 0
    for numbers in parallel_imap_unordered(lesser, items(), max_parallel=1):
        todo.extend(numbers)
        done += 1
    assert done == 3 * (1 + 2 + 2)


def test_results_do_not_wait_for_an_iterator() -> None:
    waits = threading.Event()

    def items() -> Iterator[int]:
        yield 0
        assert waits.wait(10)
        yield 1

    for number in parallel_imap_unordered(abs, items(), max_parallel=1):
        waits.set()
    assert number == 1


@pytest.mark.parametrize("gathers", [True, False])
def test_an_error_does_not_wait_for_an_iterator(gathers: bool) -> None:
    def items() -> Iterator[int]:
        yield 0
        yield 1
        time.sleep(60)

    def work(x: int) -> None:
        if x == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)

    with pytest.raises(WorkerDied, match="at item 0"):
        if gathers:
            parallel_map(work, items(), max_parallel=2)
        else:
            list(parallel_imap_unordered(work, items(), max_parallel=2))


PRINTS_BETWEEN_FORKS = """
import threading
from headrace.parallel import parallel_map

class Unpicklable:
    def __init__(self, number): self.number, self.lock = number, threading.Lock()

def items():
    for number in range(4):
        print("item", number)
        yield Unpicklable(number)

parallel_map(lambda item: None, items(), max_parallel=2)
"""


def test_what_an_iterator_prints_is_printed_once(printed_by: Callable[[str], str]) -> None:
    assert printed_by(PRINTS_BETWEEN_FORKS).splitlines() == ["item %d" % number for number in range(4)]


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


@pytest.mark.parametrize("lazily", [False, True])
def test_items_that_take_long_are_shared(lazily: bool) -> None:
    """A chunk that was planned for items that take no time."""
    def work(x: int) -> Tuple[int, int]:
        if 2800 <= x < 2860:
            time.sleep(0.03)
        return x, os.getpid()

    began = time.monotonic()
    results = parallel_map(work, iter(range(3000)) if lazily else range(3000), max_parallel=4)
    assert [x for x, _ in results] == list(range(3000))
    slow = [pid for _, pid in results[2800:2860]]
    assert len(set(slow)) == 4 and max(map(slow.count, slow)) < 40
    assert time.monotonic() - began < 60 * 0.03


def test_results_do_not_wait_behind_an_item_that_takes_long() -> None:
    late = 0

    def work(x: int) -> int:
        if x == 3000:
            time.sleep(0.5)
        return x

    for x in parallel_imap_unordered(work, range(4000), max_parallel=2):
        late = 0 if x == 3000 else late + 1
    assert late < 1000


def test_items_that_cannot_be_given_back_are_done_by_who_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def refuse(fd: int, data: Any) -> int:
        if os.getpid() != parent and len(data) == 16:
            raise BlockingIOError
        return write(fd, data)

    parent = os.getpid()
    monkeypatch.setattr(os, "write", refuse)
    assert parallel_map(lambda x: time.sleep(0.01 * (x > 280)), range(300), max_parallel=1) == [None] * 300


def test_results_of_a_short_call_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = messages.receive
    counts: List[int] = []

    def counted(link: Any, pid: int = 0) -> Any:
        message = receive(link, pid)
        if message is not None and message.kind == messages.VALUES:
            counts.append(message.count)
        return message

    monkeypatch.setattr(messages, "receive", counted)
    assert parallel_map(lambda item: [item], range(8), max_parallel=2) == [[item] for item in range(8)]
    assert sum(counts) == 8 and len(counts) < 8


def test_a_batch_keeps_the_positions_of_its_values() -> None:
    batch = messages.Batch()
    positions = [7, 8, 3, 4, 5, 11]
    for position in positions:
        batch.go_on_at(position)
        assert batch.add({position} if position % 2 else str(position)) is None
    told = messages.Message(messages.VALUES, batch.first, len(batch), 0, memoryview(b"".join(batch.packed().pieces)), ())
    assert list(told.results()) == [(position, {position} if position % 2 else str(position)) for position in positions]
