"""The forked side of `parallel_map`: runs items and sends results until told to stop."""

from __future__ import annotations

import collections
import os
import signal
import socket
import sys
import time
from typing import Any, Callable, Deque, List, NoReturn, Optional, Sequence

from . import failures, messages, output
from .tickets import Tickets

# Results are sent when this much work or this many bytes have gathered: no more than that waits behind an item that takes long.
SEND_AFTER_NS = 2_000_000
SEND_AFTER_BYTES = 32 * 1024
# Where nobody waits for them, after this much work: the parent, which each message wakes, takes a core from another worker.
GATHER_NS = 20_000_000
# A chunk that takes this long, four times what is planned, has more work in it than was known: others may have the rest.
SLOW_NS = 16_000_000


class ItemFailed(Exception):
    """An item could not be done; what is to be told has been sent."""


class Interrupt:
    """The handler of SIGINT in a worker: interrupts `func` once, however often it comes, so that `func` can clean up in peace."""

    def __init__(self, at: "memoryview[int]") -> None:
        self._at = at

    def __call__(self, number: int, frame: Any) -> None:
        if not self._at[1]:
            self._at[1] = 1
            raise KeyboardInterrupt


class InAFork(BaseException):
    """This process is one that `func` has forked: it has no part in the call. `error` is what has ended `func` in it, if anything."""

    def __init__(self, error: Optional[BaseException]) -> None:
        super().__init__(error)
        self.error = error


class Worker:
    """One worker process. `at` is memory shared with the parent: the position it is working on, -1 between items; and whether it has
    been interrupted."""

    def __init__(self, func: Callable[[Any], Any], seed: Callable[[int], None], link: socket.socket, at: "memoryview[int]") -> None:
        self._pid = os.getpid()
        self._func = func
        self._seed = seed
        self._link = link
        self._at = at
        self._waiting: Deque[messages.Message] = collections.deque()  # came while an answer was awaited
        self._may_hold = True
        self._batch = messages.Batch()  # results that are not sent yet
        self._batch_ns = 0  # work in them, of tickets that are done
        self._may_gather: Callable[[], bool] = lambda: False
        self._kept: List[Any] = []  # results whose end means something, such as that of a file: it is not this process's to cause

    def serve_tickets(self, tickets: Tickets, sequence: Sequence[Any], workers: int) -> None:
        """Runs items of `sequence` as long as there are tickets."""
        self._may_gather = lambda: tickets.may_gather
        tickets.begin()
        for first, count in iter(lambda: tickets.take(self._send), None):
            self._run(sequence, 0, first, first + count, lambda rest, end: tickets.give_back(rest, end, 2 * workers))
        self._send()

    def serve_link(self, inherited: Sequence[Any], first: int) -> None:
        """Runs `inherited` items (positions from `first`), then those that the parent sends."""
        if inherited:
            self._run(inherited, first, first, first + len(inherited), self._give_back)
        while True:
            message = self._waiting.popleft() if self._waiting else messages.receive(self._link)
            if message is None or message.kind == messages.STOP:
                return
            self._run(messages.Items(message), message.first, message.first, message.first + message.count, self._give_back)

    def _give_back(self, first: int, end: int) -> int:
        messages.send_bare(self._link, messages.RETURNED, first, end - first)
        return first

    def _run(self, items: "Sequence[Any] | messages.Items", begins_at: int, first: int, end: int,
             give_back: Callable[[int, int], int]) -> None:
        """Those with positions from `first` to before `end`.

        begins_at: the position of the first of `items`. give_back: lets others do the last ones of those from a position to before
        another one; returns where those begin.
        """
        chunk_began = time.perf_counter_ns()
        began = chunk_began - self._batch_ns
        batch = self._batch
        batch.go_on_at(first)
        small = messages.small_types()
        position = first
        while position < end:
            self._at[0] = position
            try:
                self._seed(position)
                value = self._func(items[position - begins_at])
                if os.getpid() != self._pid:
                    raise InAFork(None)
            except BaseException as error:
                self._leave_forks(error)
                self._send(time.perf_counter_ns() - began)
                if isinstance(error, messages.Unreadable):
                    messages.send_bare(self._link, messages.UNREADABLE, position, end - position)
                    break
                self._fail(position, error)
            try:
                if type(value) in small:  # What `add` does, at less than half the price.
                    batch.values.append(value)
                    large = None
                else:
                    large = batch.add(value)
                    if hasattr(type(value), "__del__"):
                        self._kept.append(value)
            except Exception as error:
                self._leave_forks(error)
                self._send(time.perf_counter_ns() - began)
                self._tell(messages.UNPICKLABLE, position, (failures.type_name(value), failures.said(error)))
            del value
            now = time.perf_counter_ns()
            if large is not None:
                cost = (now - began) // (len(batch) + 1)
                self._send(cost * len(batch))
                self._send_packed(position, 1, cost, large)
                del large
                batch, began = self._batch, now
                batch.go_on_at(position + 1)
            position += 1
            work_ns = now - began
            if work_ns > SEND_AFTER_NS or batch.size > SEND_AFTER_BYTES or position == end:
                if work_ns < GATHER_NS and batch.size <= SEND_AFTER_BYTES and self._may_gather():
                    self._batch_ns = work_ns
                else:
                    self._send(work_ns)
                    batch, began = self._batch, now
                    batch.go_on_at(position)
                if now - chunk_began > SLOW_NS and position < end:
                    end = give_back(position, end)
                    chunk_began = now
        self._at[0] = -1

    def _leave_forks(self, error: BaseException) -> None:
        if os.getpid() != self._pid:
            raise error if isinstance(error, InAFork) else InAFork(error)

    def _fail(self, position: int, error: BaseException) -> NoReturn:
        self._leave_forks(error)
        if isinstance(error, SystemExit):
            self._tell(messages.EXITED, position, _exit_code(error))
        self._tell(messages.ERROR, position, tuple(failures.described(error)))

    def _send(self, work_ns: Optional[int] = None) -> None:
        """The results that wait. work_ns: what they took, if that is not known from the tickets that are done."""
        batch = self._batch
        if batch:
            self._send_packed(batch.first, len(batch), self._batch_ns if work_ns is None else work_ns, batch.packed())
            self._batch = messages.Batch()
        self._batch_ns = 0

    def _send_packed(self, first: int, count: int, work_ns: int, packed: messages.Packed) -> None:
        if not packed.fits_datagram and self._may_hold:
            table = messages.offer_held(self._link, messages.VALUES, first, count, work_ns, packed)
            self._may_hold = self._answer() == messages.TAKEN
            del table
            if self._may_hold:
                return
        messages.send_packed(self._link, messages.VALUES, first, count, work_ns, packed)

    def _answer(self) -> bytes:
        while True:
            message = messages.receive(self._link)
            if message is None:
                raise ConnectionResetError("the parent has gone")
            if message.kind in (messages.TAKEN, messages.REFUSED):
                return message.kind
            self._waiting.append(message)

    def _tell(self, kind: bytes, position: int, what: Any) -> NoReturn:
        output.flush_all()
        messages.send_packed(self._link, kind, position, 1, 0, messages.pack(what))
        raise ItemFailed


def _exit_code(exit_: SystemExit) -> int:
    if exit_.code is None:
        return 0
    if isinstance(exit_.code, int):
        return exit_.code
    print(exit_.code, file=sys.stderr)
    return 1


def _code_of_fork(error: Optional[BaseException]) -> int:
    """How any forked process ends that does not leave by itself; says what it has raised."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    if error is not None:
        print(failures.described(error).trace, end="", file=sys.stderr)
    return 0 if error is None else 1


def main(serve: Callable[[], None]) -> NoReturn:
    """Serves, then leaves without running what the parent registered for its own end."""
    code = 1
    try:
        serve()
        code = 0
    except ItemFailed:
        code = 0
    except InAFork as fork:
        code = _code_of_fork(fork.error)
    except (BrokenPipeError, ConnectionError):
        code = 1  # The parent is gone or has lost interest.
    except KeyboardInterrupt:
        # Between two items.
        output.flush_all()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException as error:
        if not isinstance(error.__context__, KeyboardInterrupt):  # Else nobody waits for what could not be sent.
            import traceback

            traceback.print_exc()
    finally:
        output.flush_all()
        os._exit(code)
