"""A line that says how far a long call is; on a terminal only, so that logs do not fill with it.

The cursor is left at its beginning, so what is printed meanwhile takes its place; workers also erase the rest of it (output.py).
"""

from __future__ import annotations

import sys
import time
from typing import Optional

from . import output
from .held import Held

SHOWN_AFTER_S = 2.0
REDRAWN_EVERY_MS = 200


class Progress:
    def __init__(self, name: str, total: Optional[int]) -> None:
        self._name = name
        self._total = total
        self._done = 0
        self._began = time.monotonic()
        self._shown = False
        self._drawn_at = 0.0
        self.is_on_terminal = not output.in_worker() and _stderr_is_terminal()  # Of nested calls, the outermost has a line.

    def done(self, count: int) -> None:
        self._done += count

    def wait_ms(self) -> Optional[int]:
        """How long to wait for events before the line is drawn again; None: for ever."""
        return REDRAWN_EVERY_MS if self.is_on_terminal else None

    def show(self) -> None:
        if not self.is_on_terminal:
            return
        now = time.monotonic()
        passed = now - self._began
        if passed < SHOWN_AFTER_S or now - self._drawn_at < REDRAWN_EVERY_MS / 1000:
            return
        self._drawn_at = now
        of = "" if self._total is None else "/%d" % self._total
        self._draw("\r%s: %d%s items, %.0f s\x1b[K\r" % (self._name, self._done, of, passed))
        self._shown = True

    def clear(self) -> None:
        """Also before the caller gets a result, which it may print."""
        if self._shown and self.is_on_terminal:
            self._draw("\x1b[K")
        self._shown = False

    def _draw(self, text: str) -> None:
        with Held():  # What a timeout's handler raises must not be taken for the terminal's.
            try:
                sys.stderr.write(text)
                sys.stderr.flush()
            except Exception:
                self.is_on_terminal = False  # It is gone, or the step has put something else there. The work goes on.


def _stderr_is_terminal() -> bool:
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # None, an object that cannot tell, or closed.
        return False
