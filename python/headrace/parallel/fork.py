"""How `parallel_map` forks workers: what they share, the core each starts on, and what a forked process does to become a worker.

The child never returns into the code of the call that forked it: whatever happens, it ends by `os._exit`.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import signal
import socket
import sys
import time
import warnings
from typing import Any, Callable, Collection, List, NoReturn, Optional, Sequence

from ..parent_death import die_with_parent
from ..stdio import flush_stdio
from . import chance, cpus, ends, messages, output, worker
from .held import BY_DEFAULT, HELD_SIGNALS, IGNORED, Held, get_handler, in_main_thread, set_handler, set_mask
from .parent import Link, Parent
from .source import Chunk, Source
from .tickets import Tickets


class Seat:
    """What is made for a worker before it is forked: a link, and shared memory: see Worker."""

    def __init__(self) -> None:
        self.at = memoryview(mmap.mmap(-1, 16)).cast("q")
        self.at[0] = -1
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setblocking(False)


class Child:
    """A worker process as the parent sees it."""

    def __init__(self, pid: int, seat: Seat) -> None:
        self.pid = pid
        self.link = seat.ours
        self.at = seat.at
        self.pidfd = ends.watched(pid)
        self.started: List[ends.Started] = []  # when it was told to end
        self.given: List[Chunk] = []  # of an iterator, not done yet

    def fds(self) -> List[int]:
        return [self.link.fileno()] + ([self.pidfd] if self.pidfd >= 0 else [])

    def close(self) -> None:
        self.link.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)

    def ended(self, wait_ms: Optional[int]) -> bool:
        return ends.ended(self.pid, self.pidfd, wait_ms)

    def has_done(self, message: messages.Message) -> None:
        self.given = [chunk for chunk in self.given if chunk.end != message.first + message.count]


class Forker:
    """Forks the workers of one call. Holds no descriptor before `prepare`."""

    def __init__(self, func: Callable[[Any], Any], source: Source, workers_max: int) -> None:
        self.tickets: Optional[Tickets] = None  # of a sequence
        self.fork_ns = 0  # of the last fork
        self.heed_interrupts = get_handler(signal.SIGINT) != IGNORED  # whether workers do
        self._pid = os.getpid()
        self._func = func
        self._source = source
        self._workers_max = workers_max
        self._parent: Optional[Parent] = None
        self._lock_fd = -1

    def is_parent(self) -> bool:
        """Whether this process forks the workers, and is no copy of it that the user has forked."""
        return os.getpid() == self._pid

    def prepare(self) -> None:
        """Makes what all workers share. If it is interrupted, `close` closes what there is."""
        with Held():
            self._lock_fd = output.new_lock()
            self._parent = Parent()
            self.tickets = Tickets(self._parent) if self._source.is_sequence else None
        self._streams = output.whole_lines(self._lock_fd)
        self._seed = chance.item_seeder()

    def close(self) -> None:
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1
        if self.tickets is not None:
            self.tickets.close()
        if self._parent is not None:
            self._parent.close()
            self._parent = None

    def fork(self, count: int, others: Collection[Child], keep: Callable[[Child], Child], inherited: Sequence[Any] = (),
             first: int = 0) -> List[Child]:
        """New workers, beside `others`, those that there are. `keep` takes note of each before a signal is handled, also if a later
        fork fails. inherited: the first items of the new one; first: the position of the first of them.

        Nothing that could wait stands between two forks: after each, this process copies every page that it writes to.
        """
        flush_stdio()
        output.flush_c()
        pids: List[int] = []
        cores = cpus.cores_for(self._workers_max)
        lock = chance.numpy_lock()
        is_lasting = in_main_thread()
        with lock, Held() as held:
            seats = [Seat() for _ in range(count)]
            # A worker must not meet a signal before it has its own handlers.
            mask = set_mask(signal.SIG_BLOCK, HELD_SIGNALS)
            try:
                for number, seat in enumerate(seats):
                    began = time.perf_counter_ns()
                    pid = _fork_quietly()
                    if pid == 0:
                        try:
                            lock.release()
                            gc.freeze()  # what was inherited is not looked through, which would copy all of it
                            self._set_signals(seat, is_lasting, held, mask)
                            self._work(seat, self._own_link(seat, seats, others), inherited, first)
                        finally:
                            os._exit(1)
                    pids.append(pid)
                    self.fork_ns = time.perf_counter_ns() - began
                    if cores:
                        cpus.start_on(cores[min(len(others) + number, len(cores) - 1)], pid)
            finally:
                set_mask(signal.SIG_SETMASK, mask)
                for seat in seats:
                    seat.theirs.close()
                children = _keep_all(pids, seats, keep)
        return children

    # ---- in the child

    def _set_signals(self, seat: Seat, is_lasting: bool, held: Held, mask: Any) -> None:
        if is_lasting:
            die_with_parent(self._pid)  # The kernel looks at the thread that forked: another one may end long before its process.
        for number in HELD_SIGNALS:
            handler = held.replaced(number)
            if number == signal.SIGINT and self.heed_interrupts:
                set_handler(number, worker.Interrupt(seat.at))
            elif handler not in (BY_DEFAULT, IGNORED):
                set_handler(number, handler if _is_for_workers(number, handler) else BY_DEFAULT)
        set_mask(signal.SIG_SETMASK, mask)

    def _own_link(self, own: Seat, seats: Sequence[Seat], others: Collection[Child]) -> Link:
        """All that other workers are reached by is closed."""
        assert self._parent is not None
        link = Link(own.theirs, self._parent)
        for other in others:
            other.close()
        for seat in seats:
            seat.ours.close()
            seat.theirs.close()
        return link

    def _work(self, seat: Seat, link: Link, inherited: Sequence[Any], first: int) -> NoReturn:
        cpus.share_with(self._workers_max)
        output.use(self._streams, self._lock_fd)
        one = worker.Worker(self._func, self._seed, link, seat.at)
        tickets = self.tickets
        if tickets is not None:
            worker.main(lambda: one.serve_tickets(tickets, self._source.sequence, self._workers_max))
        worker.main(lambda: one.serve_link(inherited, first))


def _keep_all(pids: Sequence[int], seats: Sequence[Seat], keep: Callable[[Child], Child]) -> List[Child]:
    children: List[Child] = []
    failed: Optional[OSError] = None
    for pid, seat in zip(pids, seats):
        try:
            children.append(keep(Child(pid, seat)))
        except OSError as error:  # Too many open files.
            failed = error
            seat.ours.close()
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    for seat in seats[len(pids):]:
        seat.ours.close()
    if failed is not None:
        raise failed
    return children


def _is_for_workers(number: int, handler: Any) -> bool:
    """Alarms are of the process that has set them: `func` may use the handler of the step's code, but not that of `@timeout`.

    All others are for this process: Ctrl-C and SIGTERM come to all processes of a step, and each worker would do again what is to
    be done once.
    """
    is_own = str(getattr(handler, "__module__", "")).startswith(__name__.partition(".")[0] + ".")
    return number == signal.SIGALRM and callable(handler) and not is_own


def _fork_quietly() -> int:
    if sys.version_info < (3, 12):
        return os.fork()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks while threads run; a worker uses no lock that they could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
