"""The parent's side of `parallel_map`: forks workers, hands out items, takes results, notices what dies.

Items of a sequence are inherited by the workers and handed out as tickets (tickets.py). Items of an iterator are sent to one
worker; that one is *idle* (nothing assigned), *busy* (`assigned` > 0) or *gone* (reaped, not in `_workers`). One `poll` waits for
the links and the pidfds of all workers: nothing is asked twice, nothing sleeps.

Everything that can end a call early (an error of an item, a dead worker, Ctrl-C, a step's timeout, a generator that is
dropped) leaves through `_end`, which kills and reaps whatever is left.
"""

from __future__ import annotations

import collections.abc
import gc
import itertools
import mmap
import os
import select
import signal
import socket
import sys
import time
import warnings
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, NoReturn, Optional, Sequence, Tuple

from ..cgroups import group_files
from ..parent_death import die_with_parent
from ..stdio import flush_stdio
from . import chance, cpus, messages, output, worker
from .errors import MulticoreException, WorkerDied, WorkerTraceback
from .progress import Progress
from .tickets import Tickets

# A chunk is meant to take this long: long enough to hide the cost of a message, short enough to even out the end.
CHUNK_TARGET_NS = 4_000_000
CHUNK_ITEMS_MAX = 4096
# Items cheaper than this are assigned one chunk ahead, so that a worker need not wait for the parent.
AHEAD_BELOW_NS = 500_000
HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


def run(func: Callable[[Any], Any], iterable: Iterable[Any], max_parallel: Optional[int], name: str) -> Iterator[Tuple[int, Any]]:
    """Yields (position, result) as results arrive; raises as `parallel_map` documents."""
    if not callable(func):
        raise TypeError("%s needs a function, not %s" % (name, type(func).__name__))
    if max_parallel is not None and max_parallel < 1:
        raise ValueError("%s: max_parallel is at least 1, not %r" % (name, max_parallel))
    source = Source(iterable)
    workers_max = max_parallel or cpus.usable_cpus()
    if source.length is not None:
        workers_max = min(workers_max, source.length)
    pool = Pool(func, source, workers_max, name)
    try:
        yield from pool.results()
    finally:
        pool.close()


class Source:
    """The items. A sequence is inherited by the workers, which are told positions; an iterator is consumed here, as needed."""

    def __init__(self, iterable: Iterable[Any]) -> None:
        self.sequence: Sequence[Any] = ()
        self.length: Optional[int] = None
        self.handed_out = 0
        self.done = 0
        self._iterator: Optional[Iterator[Any]] = None
        self._peeked: List[Any] = []
        if not isinstance(iterable, collections.abc.Sequence) and not _is_array(iterable):
            if hasattr(iterable, "__len__"):
                iterable = list(iterable)  # in memory already: a dict, a set, a column of a table
            else:
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
            items = self._peeked + list(itertools.islice(self._iterator, count - len(self._peeked)))
            self._peeked = []
            count = len(items)
        self.handed_out += count
        return first, count, items


def _is_array(value: object) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray) and value.ndim > 0


class Seat:
    """What is made for a worker before it is forked: a link, and `at`, the position it is working on (-1: none), in shared memory."""

    def __init__(self) -> None:
        self.at = memoryview(mmap.mmap(-1, 8)).cast("q")
        self.at[0] = -1
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.setblocking(False)


class Child:
    """A worker process as the parent sees it."""

    def __init__(self, pid: int, seat: Seat) -> None:
        self.pid = pid
        self.link = seat.ours
        self.at = seat.at
        self.pidfd = os.pidfd_open(pid)
        self.assigned = 0
        self.chunks = 0


class Pool:
    def __init__(self, func: Callable[[Any], Any], source: Source, workers_max: int, name: str) -> None:
        self._func = func
        self._source = source
        self._workers_max = workers_max
        self._name = name
        self._workers: Dict[int, Child] = {}  # by pid
        self._of_fd: Dict[int, Child] = {}  # link and pidfd to worker
        self._poll = select.poll()
        self._tickets = Tickets() if source.is_sequence else None
        self._told_to_leave = False
        self._item_ns: Optional[float] = None
        self._items_pickle = True
        self._lock_fd = -1
        self._oom_kills = 0
        self._progress = Progress(name, source.length)

    # ---- the turn of events

    def results(self) -> Iterator[Tuple[int, Any]]:
        if not self._source.left():
            return
        self._lock_fd = os.memfd_create("parallel_map_lines", os.MFD_CLOEXEC)
        self._streams = output.whole_lines(self._lock_fd)
        self._seed = chance.item_seeder()
        flush_stdio()
        self._oom_kills = _oom_kills()
        self._hand_out()
        while self._source.done < self._source.handed_out:
            for message in self._arrived():
                self._source.done += message.count
                self._progress.done(message.count)
                yield from enumerate(message.body, message.first)
            self._hand_out()

    def _arrived(self) -> List[messages.Message]:
        """Waits; returns what came, errors and deaths raised. Results that came before a death are not lost: it shows again."""
        came: List[messages.Message] = []
        for fd, _ in self._poll.poll(self._progress.wait_ms()):
            child = self._of_fd.get(fd)
            if child is None:
                continue
            ended = self._receive_all(child, came)
            if (ended or fd == child.pidfd) and not came:
                self._died(child)
        self._progress.show()
        return came

    def _receive_all(self, child: Child, came: List[messages.Message]) -> bool:
        """Takes all that has arrived from one worker; true at its end."""
        while True:
            try:
                message = messages.receive(child.link, child.pid)
            except BlockingIOError:
                return False
            if message is None:
                return True
            if message.kind != messages.VALUES:
                self._raise(message, child)
            if self._tickets is None:
                child.assigned -= message.count
                child.chunks = 0 if child.assigned == 0 else child.chunks
            if message.work_ns:
                cost = message.work_ns / message.count
                self._item_ns = cost if self._item_ns is None else (self._item_ns + cost) / 2
            came.append(message)

    # ---- handing out

    def _hand_out(self) -> None:
        if self._tickets is not None:
            self._put_tickets(self._tickets)
            if not self._workers and not self._told_to_leave:
                self._fork_all(self._workers_max)
            if not self._source.left() and not self._told_to_leave:
                self._told_to_leave = True
                self._tickets.put_ends(self._workers_max)
            return
        ahead = 2 if self._item_ns is not None and self._item_ns < AHEAD_BELOW_NS else 1
        for child in list(self._workers.values()):
            while self._source.left() and (child.assigned == 0 or child.chunks < ahead):
                self._assign(child)
                if child.pid not in self._workers:
                    break
        while self._source.left() and len(self._workers) < self._workers_max:
            if self._items_pickle:
                self._assign(self._fork())
            else:
                self._fork_with(*self._take())

    def _put_tickets(self, tickets: Tickets) -> None:
        """Two for each worker: the one that it is at, and one more that whoever is free first will take."""
        while self._source.left():
            waiting = self._source.handed_out - self._source.done
            if waiting >= 2 * self._workers_max * self._chunk():
                return
            first, count, _ = self._take()
            tickets.put(first, count)

    def _chunk(self) -> int:
        """How many items to hand out at a time."""
        count = 1 if self._item_ns is None else int(CHUNK_TARGET_NS / max(self._item_ns, 1)) or 1
        return min(count, CHUNK_ITEMS_MAX)

    def _take(self) -> Tuple[int, int, List[Any]]:
        return self._source.take(self._chunk(), self._workers_max)

    def _assign(self, child: Child) -> None:
        first, count, items = self._take()
        packed = self._packed(items)
        if packed is not None:
            self._give(child, count, lambda: messages.send_packed(child.link, messages.ITEMS, first, count, 0, packed))
        elif child.assigned == 0:
            # What cannot be pickled is inherited: a new worker takes the place of this one.
            self._dismiss(child)
            self._fork_with(first, count, items)
        else:
            self._fork_with(first, count, items)  # one more than workers_max, for as long as this one is busy

    def _packed(self, items: List[Any]) -> Any:
        if not self._items_pickle:
            return None
        try:
            return messages.pack(items)
        except Exception:
            self._items_pickle = False
            return None

    def _give(self, child: Child, count: int, send: Callable[[], None]) -> None:
        child.assigned += count
        child.chunks += 1
        child.link.setblocking(True)
        try:
            send()
        except (BrokenPipeError, ConnectionError):
            pass  # It has died: the poll says so, with what it was at.
        finally:
            child.link.setblocking(False)

    # ---- processes

    def _fork(self, inherited: Sequence[Any] = (), first: int = 0) -> Child:
        return self._fork_all(1, inherited, first)[0]

    def _fork_all(self, count: int, inherited: Sequence[Any] = (), first: int = 0) -> List[Child]:
        """Nothing that could wait stands between two forks: after each, this process copies every page that it writes to."""
        seats = [Seat() for _ in range(count)]
        pids: List[int] = []
        cores = cpus.cores_for(self._workers_max)
        with _signals_held() as before:
            parent = os.getpid()
            try:
                for number, seat in enumerate(seats):
                    pid = _fork_quietly()
                    if pid == 0:
                        self._become_worker(seats, number, parent, before, inherited, first)
                    pids.append(pid)
                    if cores:
                        cpus.start_on(cores[min(len(self._workers) + number, len(cores) - 1)], pid)
            finally:
                for seat in seats:
                    seat.theirs.close()
                children = [self._keep(Child(pid, seat)) for pid, seat in zip(pids, seats)]
        return children

    def _keep(self, child: Child) -> Child:
        self._workers[child.pid] = child
        for fd in (child.link.fileno(), child.pidfd):
            self._of_fd[fd] = child
            self._poll.register(fd, select.POLLIN)
        return child

    def _fork_with(self, first: int, count: int, items: List[Any]) -> None:
        child = self._fork(items, first)
        child.assigned += count
        child.chunks += 1

    def _become_worker(self, seats: Sequence[Seat], number: int, parent: int, mask: Any, inherited: Sequence[Any],
                       first: int) -> NoReturn:
        try:
            gc.freeze()  # what was inherited is not looked through, which would copy all of it
            die_with_parent(parent)
            for held in HELD_SIGNALS:
                if signal.getsignal(held) is not signal.SIG_DFL:
                    signal.signal(held, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            link = seats[number].theirs
            for other in self._workers.values():
                other.link.close()
                os.close(other.pidfd)
            for seat in seats:
                seat.ours.close()
                if seat.theirs is not link:
                    seat.theirs.close()
            cpus.share_with(self._workers_max)
            vars(sys).update(self._streams)
            one = worker.Worker(self._func, self._seed, link, seats[number].at)
            tickets = self._tickets
            if tickets is not None:
                tickets.only_take()
                worker.main(lambda: one.serve_tickets(tickets, self._source.sequence))
            worker.main(lambda: one.serve_link(inherited, first))
        finally:
            os._exit(1)

    def _dismiss(self, child: Child) -> None:
        """Ends an idle worker."""
        self._give(child, 0, lambda: messages.send_bare(child.link, messages.STOP))
        self._reap(child)

    def _reap(self, child: Child) -> Tuple[int, Any]:
        """Waits for a worker's end; (exit code, usage)."""
        _, status, usage = os.wait4(child.pid, 0)
        del self._workers[child.pid]
        for fd in (child.link.fileno(), child.pidfd):
            self._poll.unregister(fd)
            del self._of_fd[fd]
        child.link.close()
        os.close(child.pidfd)
        return os.waitstatus_to_exitcode(status), usage

    def close(self) -> None:
        """Ends all workers: idle ones are told, busy ones killed. Nothing is left behind when it returns."""
        done = self._source.done == self._source.handed_out
        with _signals_held():
            for child in self._workers.values():
                if not done:
                    os.kill(child.pid, signal.SIGKILL)
                elif not self._told_to_leave:
                    self._give(child, 0, lambda child=child: messages.send_bare(child.link, messages.STOP))  # type: ignore[misc]
            for child in list(self._workers.values()):
                self._reap(child)
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1
            if self._tickets is not None:
                self._tickets.close()
            self._progress.clear()

    # ---- what went wrong

    def _raise(self, message: messages.Message, child: Child) -> NoReturn:
        position = message.first
        if message.kind == messages.ERROR:
            error, text, trace = message.body
            cause = WorkerTraceback(trace, position)
            raise (error or MulticoreException("item %d: %s" % (position, text))) from cause
        if message.kind == messages.UNPICKLABLE:
            raise MulticoreException("%s: the result of item %d, a %s, cannot be sent back: %s. Return something that can be pickled."
                                     % ((self._name, position) + tuple(message.body)))
        raise WorkerDied("%s: item %d left its worker by sys.exit(%s)" % (self._name, position, message.body), position,
                         int(message.body))

    def _died(self, child: Child) -> None:
        position = child.at[0]
        was_busy = child.assigned > 0 or (self._tickets is not None and position >= 0)
        code, usage = self._reap(child)
        if not was_busy and (code == 0 or self._tickets is None):
            return  # It had nothing to do any more. (Who takes tickets may have taken one when it was killed.)
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        where = "at item %d" % position if position >= 0 else "before an item was started"
        text = "%s: a worker (pid %d) %s %s; its memory was at most %d MB" % (
            self._name, child.pid, _how(code), where, usage.ru_maxrss * 1024 // 10**6)
        if code == -signal.SIGKILL and _oom_kills() > self._oom_kills:
            text += ". The kernel has killed processes of this control group for want of memory: fewer workers (max_parallel) need less"
        raise WorkerDied(text, position if position >= 0 else None, code)


def _how(code: int) -> str:
    if code >= 0:
        return "exited with code %d" % code
    try:
        return "was ended by %s" % signal.Signals(-code).name
    except ValueError:
        return "was ended by signal %d" % -code


def _oom_kills() -> int:
    """How many processes the kernel killed for memory in this process's control group; 0 where that is not told."""
    for name in group_files("memory", "memory.events"):
        try:
            with open(name) as file:
                return next(int(line.split()[1]) for line in file if line.startswith("oom_kill "))
        except (OSError, StopIteration):
            continue
    return 0


def _fork_quietly() -> int:
    with warnings.catch_warnings():
        # Python 3.12 warns of forks while threads run; a worker uses no lock that they could hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextmanager
def _signals_held() -> Iterator[Any]:
    """Holds back what would raise in the middle: Ctrl-C, a step's timeout. Yields the mask from before."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
    try:
        yield before
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
