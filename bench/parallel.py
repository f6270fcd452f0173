#!/usr/bin/env python3
"""`parallel_map` beside Metaflow's, `multiprocessing.Pool`, joblib (loky), a serial loop and bare threads.

    ./bench/run parallel [--rounds 7] [--gb 0.5 2 8] [ROW...]

rows: sum heavy noop arrays fork. Prints Markdown tables for docs/benchmarks.md: medians, in brackets the smallest. Metaflow and
joblib run in a process of their own each (parallel_side.py), in turn with ours, so that none is measured with what another has
loaded. Runs on the interpreter of the peer's virtual environment, where they live.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from parallel_side import FIRST_LINE, NOTHINGS

SIDE_OF = {"Metaflow": "metaflow", "joblib": "joblib"}  # all other ways: headrace


class Side:
    """A process of parallel_side.py."""

    def __init__(self, name: str) -> None:
        program = Path(__file__).with_name("parallel_side.py")
        self._process = subprocess.Popen([sys.executable, str(program), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **order: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        print(json.dumps(order), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit("bench: a side ended with %s" % self._process.wait())
        return json.loads(answer)

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


class Timed(NamedTuple):
    median_ms: float
    least_ms: float

    def __str__(self) -> str:
        return "%.1f [%.1f]" % (self.median_ms, self.least_ms)


def measured(ways: Sequence[str], rounds: int, row: str, **data: Any) -> Dict[str, Timed]:
    """All ways in turn, `rounds` times, so that the machine's noise falls on all of them; the first round does not count."""
    names = {SIDE_OF.get(way, "headrace") for way in ways}
    sides = {name: Side(name) for name in sorted(names)}
    for side in sides.values():
        side.ask(do="prepare", row=row, **data)
    times: Dict[str, List[float]] = {way: [] for way in ways}
    for _ in range(rounds + 1):
        for way in ways:
            times[way].append(sides[SIDE_OF.get(way, "headrace")].ask(do="run", way=way))
    for side in sides.values():
        side.end()
    return {way: Timed(statistics.median(each[1:]), min(each[1:])) for way, each in times.items()}


def table(title: str, results: Dict[str, Timed]) -> None:
    print("\n| ms | %s |\n|---|%s" % (" | ".join(results), "---|" * len(results)))
    print("| %s | %s |" % (title, " | ".join(map(str, results.values()))), flush=True)


def row_sum(options: argparse.Namespace) -> None:
    for gigabytes in options.gb:
        results = measured(["serial", "two threads", "Headrace", "Metaflow", "Pool", "two bare forks"], options.rounds, "sum", gb=gigabytes)
        if gigabytes <= 1:  # It copies the matrix to a file first. Its workers stay, and slow down what follows.
            results.update(measured(["joblib"], options.rounds, "sum", gb=gigabytes))
        table("BigSum rows, %g GB" % gigabytes, results)
        ours = results["Headrace"].median_ms
        threads = results["two threads"].median_ms
        print("\nthreads + %.1f ms, + %.0f %%; %.1fx Metaflow" % (
            ours - threads, 100 * (ours / threads - 1), results["Metaflow"].median_ms / ours))


def row_heavy(options: argparse.Namespace) -> None:
    results = measured(["serial", "two threads", "Headrace", "Metaflow", "Pool"], options.rounds, "heavy", gb=0.5)
    table("heavy rows (sqrt, sin), 0.5 GB", results)
    print("\n%.2fx the serial loop" % (results["serial"].median_ms / results["Headrace"].median_ms))


def row_noop(options: argparse.Namespace) -> None:
    results = measured(["Headrace", "first result", "Pool", "joblib"], options.rounds, "noop")
    table("10,000 no-op items", results)
    print("\nan item: %.4f ms" % (results["Headrace"].median_ms / NOTHINGS))


def row_arrays(options: argparse.Namespace) -> None:
    """Pool and joblib come after: in the seconds that they take, a virtual machine's host takes back memory that was freed."""
    results = measured(["serial", "Headrace", "Metaflow"], options.rounds, "arrays")
    results.update(measured(["Pool", "joblib"], options.rounds, "arrays"))
    table("returning 8 arrays of 64 MB", results)
    print("\n%.1fx Metaflow" % (results["Metaflow"].median_ms / results["Headrace"].median_ms))


def row_fork(options: argparse.Namespace) -> None:
    """One worker with one item, from a parent of 8 GB."""
    for pages in ("huge", "4 kB"):
        results = measured(["bare os.fork()", "Headrace", FIRST_LINE], options.rounds, "fork", gb=max(options.gb), pages=pages)
        table("a worker from a parent of %g GB, %s pages" % (max(options.gb), pages), results)


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
