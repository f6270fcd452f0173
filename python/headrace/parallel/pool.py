"""The parent's side of `parallel_map`: hands out items, takes results, notices what dies, ends workers.

Items of a sequence are inherited by the workers and handed out as tickets (tickets.py). Items of an iterator are sent to one
worker; that one is *idle* (nothing `given`), *busy* or *gone* (reaped, not in `_workers`). One `poll` waits for the links and
the pidfds of all workers: nothing is asked twice, nothing sleeps.

Whichever way a call ends (all is done, an error of an item, a dead worker, Ctrl-C, a step's timeout, a generator that is dropped),
it leaves through `Pool.end`, which kills and reaps whatever is left.
"""

from __future__ import annotations

import contextlib
import operator
import os
import select
import signal
import socket
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NoReturn, Optional, Sequence, Tuple

from . import cpus, ends, failures, messages
from .errors import MulticoreException, WorkerDied, WorkerTraceback
from .fork import Child, Forker
from .held import Held
from .progress import Progress
from .source import Chunk, Source
from .tickets import Tickets

# A chunk is meant to take this long: long enough to hide the cost of a message, short enough to even out the end.
CHUNK_TARGET_NS = 4_000_000
CHUNK_ITEMS_MAX = 4096
# Chunks for each worker in the queue of a sequence, so that a short call is handed out before its workers start.
TICKETS_AHEAD = 4
# Items cheaper than this are assigned one chunk ahead, so that a worker need not wait for the parent.
AHEAD_BELOW_NS = 500_000
# A large item of an iterator is inherited by a new worker, in the place of an idle one, where that is cheaper than copying it.
INHERIT_ABOVE_BYTES = 4 << 20
COPY_NS_PER_BYTE = 0.7
# So long a worker that is ended early has for what the function does in the end. One that is in C code does not heed the interrupt,
# and is not waited for.
CLEAN_UP_S = 1.0
HEED_S = 0.1
# Workers that have not left by then are told again: the one that was to hand it on may have been killed.
LEAVE_MS = 1000


def run(func: Callable[[Any], Any], iterable: Iterable[Any], max_parallel: Optional[int], name: str,
        gathers: bool) -> Iterator[Tuple[int, Any]]:
    """Yields (position, result) as results arrive; raises as `parallel_map` documents.

    gathers: whether an iterator may be asked for more items than there are workers. Not if it may depend on the results.
    """
    if not callable(func):
        raise TypeError("%s needs a function, not %s" % (name, type(func).__name__))
    workers_max = cpus.usable_cpus() if max_parallel is None else _whole(max_parallel, name)
    source = Source(iterable)
    if source.length is not None:
        workers_max = min(workers_max, source.length)
    pool = Pool(func, source, workers_max, name, gathers)
    try:
        yield from pool.results()
    finally:
        try:
            pool.leave()
        finally:
            # A second Ctrl-C may come before the first line of it has run, and a timeout after that.
            try:
                pool.end()
            finally:
                try:
                    pool.end()
                finally:
                    pool.end()


def _whole(max_parallel: Any, name: str) -> int:
    try:
        if isinstance(max_parallel, bool):
            raise TypeError
        number = operator.index(max_parallel)
    except TypeError:
        raise TypeError("%s: max_parallel is a whole number, not %r" % (name, max_parallel)) from None
    if number < 1:
        raise ValueError("%s: max_parallel is at least 1, not %r" % (name, max_parallel))
    return number


class Pool:
    def __init__(self, func: Callable[[Any], Any], source: Source, workers_max: int, name: str, gathers: bool = True) -> None:
        self._source = source
        self._workers_max = workers_max
        self._name = name
        self._gathers = gathers
        self._workers: Dict[int, Child] = {}  # by pid
        self._of_fd: Dict[int, Child] = {}  # link and pidfd to worker
        self._poll = select.poll()
        self._forker = Forker(func, source, workers_max)
        self._tickets: Optional[Tickets] = None
        self._may_be_given_back = False  # whether there are tickets of which a worker may put parts again
        self._told_to_leave = False
        self._told_to_clean_up = False
        self._ended = False
        self._item_ns: Optional[float] = None
        self._oom_kills = 0
        self._progress = Progress(name, source.length)

    # ---- the turn of events

    def results(self) -> Iterator[Tuple[int, Any]]:
        if self._source.length == 0:
            return
        self._forker.prepare()
        self._tickets = self._forker.tickets
        self._oom_kills = ends.oom_kills()
        if self._tickets is not None:
            self._put_tickets(self._tickets)
            self._forker.fork(self._workers_max, self._workers.values(), self._keep)
        while True:
            self._hand_out()
            if self._source.done == self._source.handed_out and not self._source.left:
                self._progress.clear()  # Before workers print, as they leave, what has no newline.
                return
            if not self._workers:
                raise WorkerDied("%s: all workers have left before all items were done; does a thread or an exit handler of the "
                                 "function call os._exit?" % self._name)
            for message in self._arrived():
                results = self._loaded(message)
                self._source.done += message.count
                self._progress.done(message.count)
                if not self._gathers:
                    self._progress.clear()
                yield from results

    def _arrived(self) -> List[messages.Message]:
        """Waits; returns what came, errors and deaths raised. Results that came before a death are not lost: it shows again."""
        came: List[messages.Message] = []
        self._progress.show()
        for fd, _ in self._poll.poll(self._wait_ms()):
            child = self._of_fd.get(fd)
            if child is None:
                continue
            at_end = self._receive_all(child, came)
            if fd == child.pidfd:
                if not came:
                    self._died(child)
            elif at_end:
                # It has closed its link. That is no death: it may have closed all it had, and go on.
                self._poll.unregister(fd)
                del self._of_fd[fd]
        for child in [child for child in self._workers.values() if child.pidfd < 0 and child.ended(0)]:
            self._receive_all(child, came)
            if not came:
                self._died(child)
        return came

    def _wait_ms(self) -> Optional[int]:
        waits = [self._progress.wait_ms(), ends.LOOK_MS if any(child.pidfd < 0 for child in self._workers.values()) else None]
        return min((wait for wait in waits if wait is not None), default=None)

    def _receive_all(self, child: Child, came: List[messages.Message]) -> bool:
        """Takes all that has arrived from one worker; true at its end."""
        while True:
            try:
                message = messages.receive(child.link, child.pid)
            except BlockingIOError:
                return False
            if message is None:
                return True
            if message.kind in (messages.RETURNED, messages.UNREADABLE):
                self._take_back(child, message)
                continue
            if message.kind != messages.VALUES:
                self._raise(message)
            child.has_done(message)
            if message.work_ns:
                cost = message.work_ns / message.count
                self._item_ns = cost if self._item_ns is None else (self._item_ns + cost) / 2
            came.append(message)

    def _loaded(self, message: messages.Message) -> Iterable[Tuple[int, Any]]:
        try:
            return message.results()
        except Exception as error:  # It may also be that of a timeout's handler: it stays what it is.
            which = "the result of item %d" % message.first if message.count == 1 else (
                "one of %d results, from item %d on," % (message.count, message.first))
            if error.__cause__ is None:
                error.__cause__ = MulticoreException("%s: raised while %s was unpickled" % (self._name, which))
            raise

    # ---- handing out

    def _hand_out(self) -> None:
        if self._tickets is not None:
            self._put_tickets(self._tickets)
            if not self._source.left and not self._told_to_leave and not self._may_be_given_back:
                self._told_to_leave = True
                self._tickets.put_end()
            return
        while self._source.left:
            child = self._free()
            # What is ready goes first: the iterator may take its time, or wait for what the caller does with a result.
            if child is None and len(self._workers) >= self._workers_max or self._is_news():
                return
            chunk = self._source.pull(self._chunk() if self._gathers else 1, self._is_news)
            if chunk is not None:
                self._assign(child, chunk)

    def _free(self) -> Optional[Child]:
        """Who gets the next chunk of an iterator; None if a new worker may, or nobody."""
        idle = next((child for child in self._workers.values() if not child.given), None)
        if idle is not None or len(self._workers) < self._workers_max:
            return idle
        # Ahead only if neither the iterator nor the function takes its time, and not where items are inherited: each chunk for
        # a busy worker would be one more worker.
        if not self._gathers or not self._source.is_ready or not self._source.items_pickle:
            return None
        if self._item_ns is None or self._item_ns >= AHEAD_BELOW_NS:
            return None
        return next((child for child in self._workers.values() if len(child.given) == 1), None)

    def _is_news(self) -> bool:
        return bool(self._poll.poll(0))

    def _put_tickets(self, tickets: Tickets) -> None:
        """Some for each worker, of which whoever is free takes the next."""
        tickets.push()
        while self._source.left and not tickets.full:
            waiting = self._source.handed_out - self._source.done
            if waiting >= TICKETS_AHEAD * self._workers_max * self._chunk():
                return
            first, count = self._source.take(self._chunk(), self._workers_max)
            tickets.put(first, count)
            self._may_be_given_back |= count > 1
        if self._gathers and not self._progress.is_on_terminal and not self._source.left and not tickets.full:
            tickets.may_gather = True

    def _chunk(self) -> int:
        """How many items to hand out at a time."""
        count = 1 if self._item_ns is None else int(CHUNK_TARGET_NS / max(self._item_ns, 1)) or 1
        return min(count, CHUNK_ITEMS_MAX)

    def _assign(self, child: Optional[Child], chunk: Chunk) -> None:
        """To an idle worker or, if there is none, to a new one."""
        packed = None if self._is_better_inherited(chunk) else chunk.packed()
        if packed is None:
            if child is not None:
                self._dismiss(child)  # a new one takes its place
            self._fork(chunk.items, chunk.first).given.append(chunk.to_be_inherited())
            return
        child = child or self._fork()
        child.given.append(chunk)
        link = child.link
        self._give(child, lambda: messages.send_packed(link, messages.ITEMS, chunk.first, len(chunk.items), 0, packed))

    def _is_better_inherited(self, chunk: Chunk) -> bool:
        size = sum(buffer.nbytes for buffer in chunk.large.buffers) if chunk.large is not None else 0
        return size > INHERIT_ABOVE_BYTES and size * COPY_NS_PER_BYTE > 2 * self._forker.fork_ns

    def _take_back(self, child: Child, message: messages.Message) -> None:
        """The rest of a chunk."""
        chunk = next(chunk for chunk in child.given if chunk.first <= message.first < chunk.end)
        child.given.remove(chunk)
        rest = chunk.parted(message.first)[1] if message.first > chunk.first else chunk
        if message.kind == messages.UNREADABLE:
            self._source.items_pickle = False
            rest = rest.to_be_inherited()
        self._source.take_back(rest)

    def _give(self, child: Child, send: Callable[[], None]) -> None:
        child.link.setblocking(True)
        try:
            send()
        except (BrokenPipeError, ConnectionError):
            pass  # It has died: the poll says so, with what it was at.
        finally:
            child.link.setblocking(False)

    # ---- processes

    def _fork(self, inherited: Sequence[Any] = (), first: int = 0) -> Child:
        return self._forker.fork(1, self._workers.values(), self._keep, inherited, first)[0]

    def _keep(self, child: Child) -> Child:
        self._workers[child.pid] = child
        for fd in child.fds():
            self._of_fd[fd] = child
            self._poll.register(fd, select.POLLIN)
        return child

    def _dismiss(self, child: Child) -> None:
        """Ends an idle worker."""
        self._give(child, lambda: messages.send_bare(child.link, messages.STOP))
        child.ended(None)
        with Held():
            self._reap(child)

    def _reap(self, child: Child) -> None:
        """Not by wait4: at the interpreter's end it cannot import what it returns."""
        with contextlib.suppress(ChildProcessError):  # SIGCHLD is ignored, or the user's code waits for all children.
            os.waitpid(child.pid, 0)
        self._forget(child)

    def _forget(self, child: Child) -> None:
        del self._workers[child.pid]
        for fd in child.fds():
            if self._of_fd.pop(fd, None) is not None:
                self._poll.unregister(fd)
        child.close()

    def leave(self) -> None:
        """When all is done: tells the workers to leave and waits for them. A signal may interrupt it; `end` does the rest."""
        if not self._forker.is_parent() or self._source.done < self._source.handed_out:
            return
        if self._tickets is not None:
            self._leave_by_tickets(self._tickets)
            return
        for child in self._workers.values():
            self._give(child, lambda child=child: messages.send_bare(child.link, messages.STOP))  # type: ignore[misc]
        for child in self._workers.values():
            child.ended(None)

    def _leave_by_tickets(self, tickets: Tickets) -> None:
        if not self._told_to_leave:
            self._told_to_leave = True
            tickets.put_end()
        for child in self._workers.values():
            while not child.ended(LEAVE_MS):
                tickets.put_end()

    def end(self) -> None:
        """Ends the workers that still run. Nothing is left behind when it returns.

        In a process that the user has forked this is a copy, and the workers are not its children: it lets go of them.
        """
        if self._ended:
            return
        ours = self._forker.is_parent()
        if ours and not self._told_to_clean_up:
            self._told_to_clean_up = True
            self._clean_up([child for child in self._workers.values() if not child.ended(0)])
        with Held():
            for child in self._workers.values():
                if ours and not child.ended(0):
                    child.started += [ends.Started(child.pid)]
                    ends.send(child.pid, child.pidfd, signal.SIGKILL)
                for started in child.started:
                    started.kill()
            for child in list(self._workers.values()):
                if ours:
                    self._reap(child)
                else:
                    self._forget(child)
            self._forker.close()
            if ours:
                self._progress.clear()
            self._ended = True

    def _clean_up(self, children: List[Child]) -> None:
        """A moment for `finally` and `with` of the function. It ends early when all have left, or by a signal: then they are killed."""
        if not self._forker.heed_interrupts:
            return
        with Held():
            for child in children:
                child.started += [ends.Started(child.pid)]
                with contextlib.suppress(OSError):  # It has gone.
                    child.link.shutdown(socket.SHUT_RDWR)  # Nothing that it sends is waited for.
                ends.send(child.pid, child.pidfd, signal.SIGINT)
                child.started += [ends.Started(child.pid)]  # It may have been starting one just then.
        began = time.monotonic()
        for child in children:
            child.ended(_ms_until(began + HEED_S))
        for child in children:
            if child.at[1]:
                child.ended(_ms_until(began + CLEAN_UP_S))

    # ---- what went wrong

    def _raise(self, message: messages.Message) -> NoReturn:
        position = message.first
        told = message.load()
        if message.kind == messages.ERROR:
            self._raise_as_itself(position, failures.Failure(*told))
        if message.kind == messages.UNPICKLABLE:
            raise MulticoreException("%s: the result of item %d, a %s, cannot be sent back: %s. Return something that can be pickled."
                                     % ((self._name, position) + tuple(told)))
        raise WorkerDied("%s: item %d left its worker by sys.exit(%s)" % (self._name, position, told), position, int(told))

    def _raise_as_itself(self, position: int, failure: failures.Failure) -> NoReturn:
        error: Any = None
        if failure.pickled is not None:
            with Held(), contextlib.suppress(Exception):
                error = failures.restored(failure.pickled)
        if error is None:
            error = MulticoreException("item %d: %s" % (position, failure.text))
        raise error from WorkerTraceback(failure.trace, position)

    def _died(self, child: Child) -> None:
        position = child.at[0]
        was_busy = bool(child.given) or (self._tickets is not None and position >= 0)
        code: Optional[int] = None
        memory = ""
        with Held():
            with contextlib.suppress(ChildProcessError):  # As in `_reap`.
                _, status, usage = os.wait4(child.pid, 0)
                code = os.waitstatus_to_exitcode(status)
                memory = "; its memory was at most %d MB" % (usage.ru_maxrss * 1024 // 10**6)
            self._forget(child)
        if not was_busy and (not code or self._tickets is None):
            return  # It had nothing to do any more. (Who takes tickets may have taken one when it was killed.)
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        where = "at item %d" % position if position >= 0 else "before an item was started"
        text = "%s: a worker (pid %d) %s %s%s" % (self._name, child.pid, ends.how(code), where, memory)
        if code == -signal.SIGKILL and ends.oom_kills() > self._oom_kills:
            text += ". The kernel has killed processes of this control group for want of memory: fewer workers (max_parallel) need less"
        raise WorkerDied(text, position if position >= 0 else None, code or 0)


def _ms_until(instant: float) -> int:
    return max(0, int(1000 * (instant - time.monotonic())))
