"""`parallel_map`: results, order, failures, and that nothing is left behind."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List, Tuple

import pytest

from headrace.parallel import MulticoreException, WorkerDied, WorkerTraceback, parallel_imap_unordered, parallel_map
from headrace.parallel import memory


class Unpicklable:
    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = threading.Lock()


def test_no_items() -> None:
    assert parallel_map(abs, []) == []
    assert parallel_map(abs, iter(())) == []


@pytest.mark.parametrize("items", [range(100), list(range(100)), tuple(range(100)), iter(range(100)), {i: 0 for i in range(100)}])
def test_order_is_that_of_the_items(items: Any) -> None:
    assert parallel_map(lambda x: x * x, items) == [x * x for x in range(100)]


def test_any_callable() -> None:
    bound = "a-{}-b".format
    assert parallel_map(bound, [1, 2]) == ["a-1-b", "a-2-b"]
    assert parallel_map(functools.partial(pow, 2), [3, 4]) == [8, 16]


def test_unordered_has_all() -> None:
    assert sorted(parallel_imap_unordered(lambda x: x, range(50))) == list(range(50))


def test_items_that_cannot_be_pickled() -> None:
    assert parallel_map(lambda u: u.number, (Unpicklable(n) for n in range(20))) == list(range(20))
    assert parallel_map(lambda u: u.number, [Unpicklable(n) for n in range(20)]) == list(range(20))


def test_generators_are_consumed_lazily() -> None:
    taken: List[int] = []

    def endless() -> Iterator[int]:
        for number in range(10**9):
            taken.append(number)
            yield number

    results = parallel_imap_unordered(lambda x: x, endless(), max_parallel=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(taken) <= 4


def test_large_data_is_seen_and_comes_back_whole() -> None:
    numpy = pytest.importorskip("numpy")
    matrix = numpy.arange(4_000_000, dtype="f8").reshape(2000, 2000)
    assert sum(parallel_map(lambda i: matrix[i : i + 500].sum(), range(0, 2000, 500))) == matrix.sum()
    arrays = parallel_map(lambda i: matrix[i : i + 500] + i, range(0, 2000, 500))
    for position, array in zip(range(0, 2000, 500), arrays):
        assert (array == matrix[position : position + 500] + position).all()
        array[0, 0] = 7  # what comes back can be written to
    assert parallel_map(lambda n: bytes([n]) * 1_000_000, [1, 2]) == [b"\1" * 1_000_000, b"\2" * 1_000_000]


@pytest.mark.parametrize("items", [range(6), iter(range(6))], ids=["sequence", "iterator"])
def test_large_results_come_back_where_no_process_may_read_another(items: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(pid: int, *_: Any) -> None:
        asked.append(pid)
        raise PermissionError

    monkeypatch.setattr(memory, "copy_from", refuse)
    assert parallel_map(lambda n: [bytes([n]) * 200_000, n], items, max_parallel=2) == [[bytes([n]) * 200_000, n] for n in range(6)]
    assert len(asked) == len(set(asked))  # a worker that was refused once does not offer its memory again


def test_results_of_many_large_buffers_come_back() -> None:
    numpy = pytest.importorskip("numpy")
    [arrays] = parallel_map(lambda n: [numpy.full(10_000, i) for i in range(n)], [5000])
    assert [int(array[-1]) for array in arrays] == list(range(5000))


def test_results_are_what_they_were_when_their_items_were_done() -> None:
    seen: List[int] = []
    buffer = [0]

    def gather(x: int) -> List[int]:
        seen.append(x)
        return seen

    def reuse(x: int) -> Any:
        buffer[0] = x
        return buffer if x % 3 else x

    assert sorted(len(result) for result in parallel_map(gather, range(50), max_parallel=1)) == list(range(1, 51))
    results = parallel_map(reuse, range(300), max_parallel=2)
    assert results == [[x] if x % 3 else x for x in range(300)]
    assert len({id(result) for result in results if isinstance(result, list)}) == 200


@pytest.mark.parametrize("result", [
    lambda x: "x" * (x * 20_000), lambda x: [bytes(70_000), x], lambda x: x if x % 2 else {"x": "y" * 40_000},
    lambda x: bytearray(x * 9000),
])
def test_small_and_large_results_in_turn(result: Callable[[int], Any]) -> None:
    assert parallel_map(result, range(40), max_parallel=2) == [result(x) for x in range(40)]


def test_an_exception_is_itself_with_its_place() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        parallel_map(lambda x: 1 // (x - 5), range(10))
    assert isinstance(caught.value.__cause__, WorkerTraceback)
    assert caught.value.__cause__.position == 5
    assert "1 // (x - 5)" in str(caught.value.__cause__)


def test_an_exception_that_cannot_be_pickled_is_told() -> None:
    class Odd(Exception):
        pass

    def fail(_: int) -> None:
        raise Odd("strange")

    with pytest.raises(MulticoreException, match="item 0: .*Odd: strange"):
        parallel_map(fail, [1])


def test_a_result_that_cannot_be_pickled_is_named() -> None:
    with pytest.raises(MulticoreException, match="result of item 3, a generator"):
        parallel_map(lambda x: (i for i in ()) if x == 3 else x, range(10))


@pytest.mark.parametrize("how, said", [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL at item 7"),
    (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV at item 7"),
    (lambda: os._exit(3), "exited with code 3 at item 7"),
    (lambda: sys.exit(4), r"item 7 left its worker by sys.exit\(4\)"),
])
def test_a_dead_worker_is_named(how: Any, said: str) -> None:
    with pytest.raises(WorkerDied, match=said) as caught:
        parallel_map(lambda x: how() if x == 7 else x, range(10))
    assert caught.value.position == 7


def test_a_dead_worker_is_named_also_when_there_are_more_than_asked_for() -> None:
    """Items that cannot be pickled are inherited by workers that are forked while others are busy."""

    def work(unpicklable: Unpicklable) -> int:
        if unpicklable.number == 11:
            os._exit(3)
        return unpicklable.number

    with pytest.raises(WorkerDied, match="exited with code 3 at item 11"):
        parallel_map(work, (Unpicklable(n) for n in range(20)), max_parallel=3)


def test_a_killed_worker_is_not_said_to_want_memory() -> None:
    with pytest.raises(WorkerDied) as caught:
        parallel_map(lambda x: os.kill(os.getpid(), signal.SIGKILL), range(2))
    assert "want of memory" not in str(caught.value)


def test_an_error_stops_the_rest(tmp_path: Path) -> None:
    def work(x: int) -> None:
        if x == 0:
            raise ValueError("first")
        signal.pause()  # for ever, unless it is ended

    with pytest.raises(ValueError, match="first"):
        parallel_map(work, range(4), max_parallel=4)


def test_leaving_the_generator_ends_the_workers() -> None:
    results = parallel_imap_unordered(lambda x: x if x == 0 else signal.pause(), range(4), max_parallel=4)
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]


def test_ctrl_c_leaves_nothing() -> None:
    parent = os.getpid()

    def work(x: int) -> None:
        os.kill(parent, signal.SIGINT)
        signal.pause()

    with pytest.raises(KeyboardInterrupt):
        parallel_map(work, range(2), max_parallel=2)


def test_a_timeout_leaves_nothing() -> None:
    class Late(Exception):
        pass

    def ring(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Late):
            parallel_map(lambda x: signal.pause(), range(2))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_workers_die_with_their_parent() -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        def work(x: int) -> None:
            os.write(writing, b"%d " % os.getpid())
            signal.pause()

        parallel_map(work, range(2), max_parallel=2)
        os._exit(0)
    os.close(writing)
    said = b""
    while len(said.split()) < 2 or not said.endswith(b" "):
        said += os.read(reading, 100)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert os.read(reading, 100) == b""  # the last holder of the pipe is gone
    os.close(reading)


def test_nested_calls_and_recursion() -> None:
    def depth(n: int) -> int:
        return 1 if n == 0 else 1 + parallel_map(depth, [n - 1])[0]

    assert parallel_map(depth, [3, 2]) == [4, 3]
    table = parallel_map(lambda x: parallel_map(lambda y: x * y, range(3)), range(3))
    assert table == [[0, 0, 0], [0, 1, 2], [0, 2, 4]]


def test_functions_that_start_threads() -> None:
    def work(x: int) -> int:
        out: List[int] = []
        thread = threading.Thread(target=lambda: out.append(x))
        thread.start()
        thread.join()
        return out[0]

    assert parallel_map(work, range(8)) == list(range(8))


def test_random_numbers_differ_and_can_be_repeated() -> None:
    random.seed(5)
    first = parallel_map(lambda _: random.random(), range(20))
    again = parallel_map(lambda _: random.random(), range(20))
    random.seed(5)
    assert parallel_map(lambda _: random.random(), range(20), max_parallel=3) == first
    assert len(set(first + again)) == 40


def test_numpy_random_numbers_differ_and_can_be_repeated() -> None:
    numpy = pytest.importorskip("numpy")
    numpy.random.seed(5)
    first = parallel_map(lambda _: numpy.random.random(), range(20))
    numpy.random.seed(5)
    assert parallel_map(lambda _: numpy.random.random(), range(20), max_parallel=3) == first
    assert len(set(first)) == 20


NUMPY_IS_BUSY = """
import threading
import numpy
from headrace.parallel import parallel_map

lock = numpy.random.get_state.__self__._bit_generator.lock
held = threading.Event()

def draw():
    with lock:
        held.set()
        threading.Event().wait(0.2)

thread = threading.Thread(target=draw)
numpy_seed = numpy.random.randint
numpy.random.randint = lambda *bounds: (numpy_seed(*bounds), thread.start(), held.wait())[0]  # Just before the fork.
print(parallel_map(abs, [1, 2], max_parallel=2))
"""


def test_a_thread_that_draws_numbers_holds_no_worker_up(printed_by: Callable[[str], str]) -> None:
    pytest.importorskip("numpy")
    assert printed_by(NUMPY_IS_BUSY) == "[1, 2]\n"


NO_THREADS = """
import sys
from headrace.parallel import parallel_map

parallel_map(abs, [1, 2])
print("threading" in sys.modules)
"""


def test_a_call_does_not_load_threading(printed_by: Callable[[str], str]) -> None:
    """It would do something in each forked worker, which costs more than all else that a worker does at its start."""
    assert printed_by(NO_THREADS) == "False\n"


def test_wrong_arguments_are_said() -> None:
    with pytest.raises(ValueError, match="max_parallel is at least 1, not 0"):
        parallel_map(abs, [1], max_parallel=0)
    with pytest.raises(TypeError, match="needs a function, not int"):
        parallel_map(3, [1])  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong, error", [(0, ValueError), (-1, ValueError), (2.0, TypeError), (float("nan"), TypeError), (True, TypeError),
                                          ("2", TypeError)])
def test_a_wrong_number_of_workers_is_said(wrong: Any, error: Any) -> None:
    for items in (range(3), iter(range(3))):
        with pytest.raises(error, match="parallel_map: max_parallel is .*, not .*%s" % wrong):
            parallel_map(abs, items, max_parallel=wrong)


class File:
    """Removes what it stands for at its end."""

    def __init__(self, path: str) -> None:
        self.path = path
        open(path, "w").close()

    def __del__(self) -> None:
        os.unlink(self.path)


def test_a_result_does_not_end_in_its_worker(tmp_path: Path) -> None:
    files = parallel_map(lambda x: File(str(tmp_path / str(x))), range(6), max_parallel=2)
    assert [os.path.exists(file.path) for file in files] == [True] * 6


@pytest.fixture
def grandchildren() -> Iterator[None]:
    """What workers start becomes a child of this process when they end: so `nothing_left` sees it."""
    set_child_subreaper = 36
    libc = ctypes.CDLL(None)
    libc.prctl(set_child_subreaper, 1, 0, 0, 0)
    yield
    until = time.monotonic() + 5  # Who has been killed may need a moment to end.
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < until:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
    libc.prctl(set_child_subreaper, 0, 0, 0, 0)


@pytest.mark.parametrize("seed", range(int(os.environ.get("HEADRACE_PARALLEL_ROUNDS", "100"))))
def test_whatever_happens_to_workers_nothing_hangs(seed: int, grandchildren: None) -> None:
    """Kills, crashes, hangs that are interrupted, exits and errors, by seed; `nothing_left` looks at what remains."""
    chance = random.Random(seed)
    what = chance.choice(["kill", "exit", "raise", "interrupt", "alarm", "leave", "none"])
    at, count, workers = chance.randrange(12), chance.randrange(1, 24), chance.randrange(1, 5)
    size, items = chance.choice([0, 100_000]), chance.choice(["sequence", "iterator", "not picklable"])
    form = chance.choice(["map", "unordered", "nested", "beside another thread's"])
    starts = what in ("interrupt", "alarm") and chance.choice([True, False])
    number = chance.choice([signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
    parent = os.getpid()

    def ring(*_: Any) -> None:
        raise TimeoutError

    def work(x: Any) -> Tuple[int, bytes]:
        x = x.number if isinstance(x, Unpicklable) else x
        if x == at:
            if starts and os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            if what == "kill":
                os.kill(os.getpid(), number)
            if what == "exit":
                os._exit(1)
            if what == "raise":
                raise ValueError(x)
            if what in ("interrupt", "alarm"):
                os.kill(parent, signal.SIGINT if what == "interrupt" else signal.SIGALRM)
                time.sleep(60)
            if what == "leave" and os.fork() == 0:
                sys.exit(1)
        return x, bytes(size)

    def run() -> Any:
        given: Any = range(count)
        if items != "sequence":
            given = (Unpicklable(x) if items == "not picklable" else x for x in given)
        if form == "unordered":
            return sorted(parallel_imap_unordered(work, given, max_parallel=workers))
        return parallel_map(
            work if form != "nested" else lambda x: parallel_map(work, [x, x], max_parallel=2)[1], given, max_parallel=workers)

    def ticking() -> None:
        for _ in range(5):
            others.append(parallel_map(lambda x: [time.sleep(0.001), x][1], range(20), max_parallel=2))

    others: List[Any] = []
    thread = threading.Thread(target=ticking)
    before = signal.signal(signal.SIGALRM, ring)
    try:
        if form == "beside another thread's":
            thread.start()
        got = run()
    except (WorkerDied, ValueError, KeyboardInterrupt, TimeoutError):
        assert at < count and what not in ("none", "leave")
    else:
        assert got == [(x, bytes(size)) for x in range(count)]
        assert at >= count or what in ("none", "leave")
    finally:
        signal.signal(signal.SIGALRM, before)
        if thread.ident is not None:
            thread.join()
    assert others == ([list(range(20))] * 5 if form == "beside another thread's" else [])
