"""One side of `bench/parallel.py`: a process that has loaded what the user of one library has, and no more.

    python bench/parallel_side.py headrace|metaflow|joblib

Reads orders from stdin, one JSON object a line, and answers each with a line: {"do": "prepare", "row": ROW, ...} makes the data
of a row; {"do": "run", "way": WAY} runs one way once, and answers how many milliseconds it took. The side of headrace has also
the ways that need nothing but Python: the serial loop, threads, `multiprocessing.Pool`, bare forks.
"""

from __future__ import annotations

import functools
import importlib
import json
import mmap
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict

import numpy

ROOT = Path(__file__).resolve().parent.parent
PARTS = 8
NOTHINGS = 10_000
FIRST_LINE = "its first line"
Function = Callable[[Any], Any]
MapOver = Callable[[Function, Any], Any]
Ways = Dict[str, Callable[[], Any]]

# What the functions work on: found by name in the workers, which inherit it.
SHARED: Dict[str, Any] = {}


def part_of(matrix: Any, part: int) -> Any:
    step = len(matrix) // PARTS
    return matrix[part * step : (part + 1) * step]


def part_sum(part: int) -> float:
    return float(part_of(SHARED["matrix"], part).sum())


def heavy(part: int) -> float:
    return float(numpy.sqrt(numpy.sin(part_of(SHARED["matrix"], part)) ** 2).sum())


def make_array(value: int) -> Any:
    return numpy.full(8_000_000, value, dtype="f8")


def nothing(value: int) -> int:
    return value


def started(_: int) -> float:
    return time.perf_counter()


# Of each row: the function and how many items.
WORK: Dict[str, Any] = {"sum": (part_sum, PARTS), "heavy": (heavy, PARTS), "noop": (nothing, NOTHINGS), "arrays": (make_array, 8)}


def serial(function: Function, items: Any) -> Any:
    if function is part_sum:
        return SHARED["matrix"].sum()
    return [function(item) for item in items]


def in_threads(function: Function, items: Any) -> None:
    def work(number: int) -> None:
        for item in items[number::2]:
            function(item)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_pool(function: Function, items: Any) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(function, items)


def bare_forks(count: int) -> None:
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)


def headrace_parallel() -> Any:
    """`headrace.parallel` of this tree, without the `metaflow` that lies beside it."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(ROOT / "python" / "headrace", Path(folder) / "headrace")
        sys.path.insert(0, folder)
        try:
            importlib.import_module("headrace.parallel.pool")  # else imported at the first call
            return sys.modules["headrace.parallel"]
        finally:
            sys.path.remove(folder)


def matrix_of(gigabytes: float) -> Any:
    side = int((gigabytes * 1e9 / 8) ** 0.5) // PARTS * PARTS
    return numpy.random.default_rng(1).random((side, side))


def memory_of(gigabytes: float, pages: str) -> Any:
    memory = mmap.mmap(-1, int(gigabytes * 1e9), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE if pages == "huge" else mmap.MADV_NOHUGEPAGE)
    numpy.frombuffer(memory, dtype="u1")[::4096] = 1
    return memory


class Side:
    def __init__(self, maps: Dict[str, MapOver]) -> None:
        self._maps = maps
        self._ways: Ways = {}

    def prepare(self, row: str, gb: float = 0, pages: str = "") -> None:
        SHARED.clear()
        self._ways = self._ways_of_fork() if row == "fork" else self._ways_of(*WORK[row])
        if pages:
            SHARED["memory"] = memory_of(gb, pages)
        elif gb:
            SHARED["matrix"] = matrix_of(gb)

    def run(self, way: str) -> float:
        """Milliseconds; of the way FIRST_LINE, until the worker's first line ran."""
        began = time.perf_counter()
        result = self._ways[way]()
        ended = result[0] if way == FIRST_LINE else time.perf_counter()
        del result  # its memory is not given back while the clock runs
        return (ended - began) * 1e3

    def _ways_of(self, function: Function, count: int) -> Ways:
        return {name: functools.partial(map_over, function, range(count)) for name, map_over in self._maps.items()}

    def _ways_of_fork(self) -> Ways:
        raise LookupError("a row of headrace alone")


class HeadraceSide(Side):
    def __init__(self) -> None:
        self._ours = headrace_parallel()
        super().__init__({"serial": serial, "two threads": in_threads, "Headrace": self._ours.parallel_map, "Pool": in_pool,
                          "first result": self._first_result, "two bare forks": lambda function, items: bare_forks(2)})

    def _first_result(self, function: Function, items: Any) -> Any:
        """What is returned ends the workers when it is dropped."""
        results = self._ours.parallel_imap_unordered(function, items)
        next(results)
        return results

    def _ways_of_fork(self) -> Ways:
        one_worker = functools.partial(self._ours.parallel_map, max_parallel=1)
        return {"bare os.fork()": lambda: bare_forks(1), "Headrace": lambda: one_worker(nothing, [1]),
                FIRST_LINE: lambda: one_worker(started, [1])}


def metaflow_side() -> Side:
    return Side({"Metaflow": importlib.import_module("metaflow").parallel_map})


def joblib_side() -> Side:
    """Its workers inherit nothing: the matrix is sent to them, by a file."""
    joblib = importlib.import_module("joblib")

    def map_over(function: Function, items: Any) -> Any:
        if function is not part_sum:
            return joblib.Parallel(2)(joblib.delayed(function)(item) for item in items)
        return joblib.Parallel(2)(joblib.delayed(part_sum_of)(SHARED["matrix"], part) for part in items)

    return Side({"joblib": map_over})


def part_sum_of(matrix: Any, part: int) -> float:
    return float(part_of(matrix, part).sum())


SIDES: Dict[str, Callable[[], Side]] = {"headrace": HeadraceSide, "metaflow": metaflow_side, "joblib": joblib_side}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    side = SIDES[sys.argv[1]]()
    for line in sys.stdin:
        order = json.loads(line)
        answer = getattr(side, order.pop("do"))(**order)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
