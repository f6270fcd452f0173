"""`parallel_map` and `parallel_imap_unordered`: a function over many items, on all the cores this process may use.

Workers are forked, one a core and not one an item, so any callable works and large inputs are seen without a copy. Items are
handed out in chunks that adapt to their cost; results come back by socket, large ones are read in the worker's memory.

    pool.py      the parent: hands out items, takes results, notices what dies
    fork.py      how workers are forked, each on a core, and what a child does before its first item
    source.py    the items
    worker.py    the child: runs items, sends results
    parent.py    how the child waits for its parent
    messages.py  what travels between them
    failures.py  how an exception travels
    ends.py      how workers end
    held.py      sections that no signal interrupts
    system.py    what a kernel or a build of Python may not have
    memory.py    reading what lies in a worker's memory
    tickets.py   the queue of a call over a sequence
    errors.py    what is raised when a worker dies
    progress.py  a line that says how far a long call is
    cpus.py      how many cores this process may really use
    output.py    lines of several workers stay whole
    chance.py    random generators: different for each item, reproducible if the parent seeded them
"""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, List, Optional, TypeVar

from .errors import MulticoreException, WorkerDied, WorkerTraceback

__all__ = ["parallel_map", "parallel_imap_unordered", "MulticoreException", "WorkerDied", "WorkerTraceback"]

Item = TypeVar("Item")
Value = TypeVar("Value")


def parallel_map(func: Callable[[Item], Value], iterable: Iterable[Item], max_parallel: Optional[int] = None,
                 dir: Optional[str] = None) -> List[Value]:
    """`[func(item) for item in iterable]`, computed by several processes; the list is in the order of the items.

    func: any callable: lambdas, closures, bound methods. It runs in forked workers, so what it changes is not seen here.
    iterable: anything; a generator is consumed lazily, a few items ahead of the workers.
    max_parallel: processes at once; default: the cores this process may use (affinity and cgroup quota).
    dir: accepted for compatibility and not used; no files are written.

    Raises what `func` raised, with the worker's traceback as its cause and the item's position in the text, and stops the rest;
    WorkerDied (a MulticoreException) when a worker is killed or exits. Results must be picklable.
    Source: Metaflow's `parallel_map`; differences: docs/guide/parallel.md.
    """
    results: List[Any] = []
    try:
        for position, value in _run(func, iterable, max_parallel, "parallel_map", True):
            if position >= len(results):
                results.extend([None] * (position + 1 - len(results)))
            results[position] = value
    except RuntimeError as error:
        stop = error.__cause__  # A generator, which `_run` is, makes a RuntimeError of a StopIteration.
        if isinstance(stop, StopIteration) and isinstance(stop.__cause__, WorkerTraceback):
            raise stop from stop.__cause__
        raise
    return results


def parallel_imap_unordered(func: Callable[[Item], Value], iterable: Iterable[Item], max_parallel: Optional[int] = None,
                            dir: Optional[str] = None) -> Iterator[Value]:
    """Like `parallel_map`, as a generator of results in the order in which they are ready. Leaving it early ends the workers."""
    for _, value in _run(func, iterable, max_parallel, "parallel_imap_unordered", False):
        yield value


def _run(func: Callable[[Item], Value], iterable: Iterable[Item], max_parallel: Optional[int], name: str, gathers: bool) -> Any:
    from .pool import run

    return run(func, iterable, max_parallel, name, gathers)
