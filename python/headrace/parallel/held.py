"""Sections that Ctrl-C or a step's timeout must not leave in the middle, such as between a fork and taking note of the new process."""

from __future__ import annotations

import signal
import sys
from typing import Any, Callable, Dict, List, Tuple

HELD_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)

# Those of `signal` without what it wraps around them: that makes enumerations of numbers, for which a process forked a moment ago
# copies some 70 pages first. So handlers are numbers here, too.
get_handler: Any = getattr(signal.getsignal, "__wrapped__", signal.getsignal)
set_handler: Any = getattr(signal.signal, "__wrapped__", signal.signal)
set_mask: Any = getattr(signal.pthread_sigmask, "__wrapped__", signal.pthread_sigmask)
BY_DEFAULT, IGNORED = int(signal.SIG_DFL), int(signal.SIG_IGN)


class Held:
    """`with Held():`. Signals that come meanwhile are handled at its end: each once, in the order in which they came.

    Python runs handlers in the main thread, also those of signals that this thread blocks, if another thread lets them through.
    So nothing is blocked: the handlers are replaced by one that records. In another thread there is nothing to do.
    """

    def __init__(self) -> None:
        self._handlers: Dict[int, Callable[[int, Any], Any]] = {}
        self._came: Dict[int, Any] = {}  # number to frame
        self._recording = True

    def __enter__(self) -> Held:
        try:
            for number in HELD_SIGNALS if in_main_thread() else ():
                handler = get_handler(number)
                if callable(handler):
                    self._handlers[number] = handler
                    set_handler(number, self._record)
        except BaseException:  # A handler that was not replaced yet has raised.
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self._give_back()
        except BaseException:  # A handler that was back already has raised before the others were.
            self._give_back()
            raise
        finally:
            self._recording = False
            self._hand_on(list(self._came.items()))

    def replaced(self, number: int) -> Any:
        """The handler that a signal has apart from this section."""
        return self._handlers[number] if number in self._handlers else get_handler(number)

    def _give_back(self) -> None:
        for number, handler in self._handlers.items():
            set_handler(number, handler)

    def _record(self, number: int, frame: Any) -> None:
        if self._recording:
            self._came.setdefault(number, frame)
        else:  # Giving back was interrupted twice. It is done now, and nobody has noticed.
            set_handler(number, self._handlers[number])
            self._handlers[number](number, frame)

    def _hand_on(self, came: List[Tuple[int, Any]]) -> None:
        if came:
            number, frame = came[0]
            try:
                self._handlers[number](number, frame)
            finally:
                self._hand_on(came[1:])


def in_main_thread() -> bool:
    """Does not import `threading`: what that does in each forked process would cost a worker a quarter of a millisecond."""
    threading: Any = sys.modules.get("threading")
    return threading is None or threading.get_ident() == threading.main_thread().ident
