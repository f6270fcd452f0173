#!/usr/bin/env python3
"""`parallel_map` beside Metaflow's, `multiprocessing.Pool`, joblib (loky), a serial loop and bare threads, in one process.

    ./bench/run parallel [--rounds 7] [--gb 0.5 2 8] [ROW...]

rows: sum heavy noop arrays fork. Prints Markdown tables for docs/benchmarks.md. Runs on the interpreter of the peer's virtual
environment, since Metaflow and joblib live there; of this tree it imports `headrace` alone. Medians; in brackets the smallest.
"""

from __future__ import annotations

import argparse
import importlib
import mmap
import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import joblib
import numpy

ROOT = Path(__file__).resolve().parent.parent
PARTS = 8


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


OURS = headrace_parallel().parallel_map
THEIRS = importlib.import_module("metaflow").parallel_map


class Timed(NamedTuple):
    median_ms: float
    least_ms: float

    def __str__(self) -> str:
        return "%.1f [%.1f]" % (self.median_ms, self.least_ms)


def timed(ways: Dict[str, Callable[[], Any]], rounds: int) -> Dict[str, Timed]:
    """All ways in turn, `rounds` times, so that the machine's noise falls on all of them; the first round does not count."""
    seconds: Dict[str, List[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    return {name: Timed(statistics.median(values[1:]) * 1e3, min(values[1:]) * 1e3) for name, values in seconds.items()}


def table(title: str, results: Dict[str, Timed]) -> None:
    print("| %s | %s |" % (title, " | ".join(str(value) for value in results.values())), flush=True)


def heading(names: Any) -> None:
    print("\n| ms | %s |\n|---|%s" % (" | ".join(names), "---|" * len(list(names))))


# Pool's and joblib's functions must be found by name in the workers; what they work on is inherited or sent.
SHARED: Dict[str, Any] = {}


def part_sum(part: int) -> float:
    matrix = SHARED["matrix"]
    step = len(matrix) // PARTS
    return float(matrix[part * step : (part + 1) * step].sum())


def part_sum_of(matrix: Any, part: int) -> float:
    step = len(matrix) // PARTS
    return float(matrix[part * step : (part + 1) * step].sum())


def heavy(part: int) -> float:
    matrix = SHARED["matrix"]
    step = len(matrix) // PARTS
    return float(numpy.sqrt(numpy.sin(matrix[part * step : (part + 1) * step]) ** 2).sum())


def make_array(value: int) -> Any:
    return numpy.full(8_000_000, value, dtype="f8")


def nothing(value: int) -> int:
    return value


def in_threads(function: Callable[[int], Any], count: int) -> None:
    def work(number: int) -> None:
        for part in range(number, count, 2):
            function(part)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_pool(function: Callable[[int], Any], count: int) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(function, range(count))


def ways_for(function: Callable[[int], Any], count: int) -> Dict[str, Callable[[], Any]]:
    return {
        "serial": lambda: [function(part) for part in range(count)],
        "two threads": lambda: in_threads(function, count),
        "Headrace": lambda: OURS(function, range(count)),
        "Metaflow": lambda: THEIRS(function, range(count)),
        "Pool": lambda: in_pool(function, count),
    }


def row_sum(options: argparse.Namespace) -> None:
    for gigabytes in options.gb:
        side = int((gigabytes * 1e9 / 8) ** 0.5) // PARTS * PARTS
        SHARED["matrix"] = numpy.random.default_rng(1).random((side, side))
        matrix = SHARED["matrix"]
        ways = ways_for(part_sum, PARTS)
        ways["serial"] = lambda: SHARED["matrix"].sum()
        if gigabytes <= 1:  # it copies the matrix to a file first
            ways["joblib"] = lambda: joblib.Parallel(2)(joblib.delayed(part_sum_of)(matrix, part) for part in range(PARTS))
        heading(ways)
        table("BigSum rows, %g GB" % gigabytes, timed(ways, options.rounds if gigabytes < 4 else 3))


def row_heavy(options: argparse.Namespace) -> None:
    SHARED["matrix"] = numpy.random.default_rng(1).random((8000, 8000))
    ways = ways_for(heavy, PARTS)
    heading(ways)
    results = timed(ways, max(3, options.rounds // 2))
    table("heavy rows (sqrt, sin), 0.5 GB", results)
    print("\nheavy: %.2fx the serial loop" % (results["serial"].median_ms / results["Headrace"].median_ms))


def row_noop(options: argparse.Namespace) -> None:
    SHARED.clear()
    count = 10_000
    ways = {name: way for name, way in ways_for(nothing, count).items() if name in ("Headrace", "Pool")}
    ways["joblib"] = lambda: joblib.Parallel(2)(joblib.delayed(nothing)(value) for value in range(count))
    heading(ways)
    results = timed(ways, options.rounds)
    table("10,000 no-op items", results)
    firsts = sorted(first_result_ms(count) for _ in range(options.rounds))
    print("\nan item: %.4f ms; first result after %.1f ms" % (results["Headrace"].median_ms / count, firsts[len(firsts) // 2]))


def first_result_ms(count: int) -> float:
    results = sys.modules["headrace.parallel"].parallel_imap_unordered(nothing, range(count))
    began = time.perf_counter()
    next(results)
    took = time.perf_counter() - began
    results.close()
    return took * 1e3


def row_arrays(options: argparse.Namespace) -> None:
    SHARED.clear()
    ways = {name: way for name, way in ways_for(make_array, 8).items() if name != "two threads"}
    ways["joblib"] = lambda: joblib.Parallel(2)(joblib.delayed(make_array)(value) for value in range(8))
    heading(ways)
    table("returning 8 arrays of 64 MB", timed(ways, options.rounds))


def bare_fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def started(_: int) -> float:
    return time.perf_counter()


def row_fork(options: argparse.Namespace) -> None:
    """One worker with one item, from a parent of 8 GB."""
    size = int(max(options.gb) * 1e9)
    for pages in ("huge", "4 kB"):
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE if pages == "huge" else mmap.MADV_NOHUGEPAGE)
        numpy.frombuffer(memory, dtype="u1")[::4096] = 1
        ways: Dict[str, Callable[[], Any]] = {"bare os.fork()": bare_fork, "Headrace": lambda: OURS(nothing, [1], max_parallel=1)}
        heading(ways)
        table("a worker from a parent of %g GB, %s pages" % (size / 1e9, pages), timed(ways, options.rounds))
        starts = sorted(-time.perf_counter() + OURS(started, [1], max_parallel=1)[0] for _ in range(options.rounds))
        print("\nits first line runs after %.1f ms" % (starts[len(starts) // 2] * 1e3))
        del ways
        SHARED.clear()


ROWS: List[Tuple[str, Callable[[argparse.Namespace], None]]] = [
    ("sum", row_sum), ("heavy", row_heavy), ("noop", row_noop), ("arrays", row_arrays), ("fork", row_fork)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--gb", type=float, nargs="+", default=[0.5, 2, 8])
    parser.add_argument("rows", nargs="*", metavar="ROW", default=[])
    options = parser.parse_args()
    unknown = set(options.rows) - {name for name, _ in ROWS}
    if unknown:
        parser.error("unknown rows: %s" % ", ".join(sorted(unknown)))
    for name, row in ROWS:
        if not options.rows or name in options.rows:
            row(options)


if __name__ == "__main__":
    main()
