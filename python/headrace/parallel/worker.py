"""The forked side of `parallel_map`: runs items and sends results until told to stop."""

from __future__ import annotations

import collections
import os
import pickle
import socket
import sys
import time
from typing import Any, Callable, Deque, List, NoReturn, Sequence, Tuple

from . import messages, output
from .tickets import Tickets

# Results are sent when this much work or this many bytes have gathered, so that a long chunk does not hold back what is ready.
SEND_AFTER_NS = 10_000_000
SEND_AFTER_BYTES = 32 * 1024


class Failure(Exception):
    """An item could not be done; what is to be told has been sent."""


class Worker:
    """One worker process. `at` is memory shared with the parent: the position it is working on, -1 between items."""

    def __init__(self, func: Callable[[Any], Any], seed: Callable[[int], None], link: socket.socket, at: "memoryview[int]") -> None:
        self._func = func
        self._seed = seed
        self._link = link
        self._at = at
        self._waiting: Deque[messages.Message] = collections.deque()  # came while an answer was awaited
        self._may_hold = True

    def serve_tickets(self, tickets: Tickets, sequence: Sequence[Any]) -> None:
        """Runs items of `sequence` as long as there are tickets."""
        for first, count in iter(tickets.take, None):
            self._run(_Slice(sequence, first, count), first)

    def serve_link(self, inherited: Sequence[Any], first: int) -> None:
        """Runs `inherited` items (positions from `first`), then those that the parent sends."""
        if inherited:
            self._run(inherited, first)
        while True:
            message = self._waiting.popleft() if self._waiting else messages.receive(self._link)
            if message is None or message.kind == messages.STOP:
                return
            self._run(message.body, message.first)

    def _run(self, items: Any, first: int) -> None:
        began = time.perf_counter_ns()
        values: List[Any] = []
        start = first
        for position, item in enumerate(items, first):
            self._at[0] = position
            self._seed(position)
            try:
                value = self._func(item)
            except SystemExit as exit_:
                self._send_finished(start, values, began)
                self._tell(messages.EXITED, position, _exit_code(exit_))
            except BaseException as error:
                self._send_finished(start, values, began)
                self._tell(messages.ERROR, position, _described(error))
            values.append(value)
            now = time.perf_counter_ns()
            if now - began > SEND_AFTER_NS or getattr(value, "nbytes", 0) > SEND_AFTER_BYTES:
                self._send(start, values, now - began)
                del value
                values, start, began = [], position + 1, now
        if values:
            self._send(start, values, time.perf_counter_ns() - began)
        self._at[0] = -1

    def _send_finished(self, first: int, values: List[Any], began: int) -> None:
        if values:
            self._send(first, values, time.perf_counter_ns() - began)

    def _send(self, first: int, values: List[Any], work_ns: int) -> None:
        try:
            packed = messages.pack(values)
        except Exception:
            self._send_one_by_one(first, values)
            return
        self._send_values(first, len(values), work_ns, packed)

    def _send_values(self, first: int, count: int, work_ns: int, packed: messages.Packed) -> None:
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

    def _send_one_by_one(self, first: int, values: List[Any]) -> NoReturn:
        """One of `values` cannot be pickled: finds and tells which."""
        for position, value in enumerate(values, first):
            try:
                packed = messages.pack([value])
            except Exception as error:
                self._tell(messages.UNPICKLABLE, position, (_type_name(value), "%s: %s" % (_type_name(error), error)))
            self._send_values(position, 1, 0, packed)
        raise AssertionError("results pickle one by one and not together")

    def _tell(self, kind: bytes, position: int, what: Any) -> NoReturn:
        output.flush_all()
        messages.send_packed(self._link, kind, position, 1, 0, messages.pack(what))
        raise Failure


class _Slice:
    """Items of a sequence by position, without copying them out."""

    def __init__(self, sequence: Sequence[Any], first: int, count: int) -> None:
        self._sequence, self._first, self._count = sequence, first, count

    def __iter__(self) -> Any:
        return (self._sequence[position] for position in range(self._first, self._first + self._count))


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def _described(error: BaseException) -> Tuple[Any, str, str]:
    """(the exception if it survives pickling, its text, the traceback below this module)."""
    import traceback

    frames = error.__traceback__.tb_next if error.__traceback__ is not None else None
    text = "".join(traceback.format_exception(type(error), error, frames))
    try:
        sent = pickle.loads(pickle.dumps(error))
        portable = error if type(sent) is type(error) else None
    except Exception:
        portable = None
    return portable, "%s: %s" % (_type_name(error), error), text


def _exit_code(exit_: SystemExit) -> int:
    if exit_.code is None:
        return 0
    if isinstance(exit_.code, int):
        return exit_.code
    print(exit_.code, file=sys.stderr)
    return 1


def main(serve: Callable[[], None]) -> NoReturn:
    """Serves, then leaves without running what the parent registered for its own end."""
    code = 1
    try:
        serve()
        code = 0
    except Failure:
        code = 0
    except (BrokenPipeError, ConnectionError):
        code = 1  # The parent is gone or has lost interest.
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        output.flush_all()
        os._exit(code)
