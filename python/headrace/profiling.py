"""`profile`: how long a piece of code takes."""

from __future__ import annotations

import time
from typing import Any, Dict, Optional

_first: Optional[float] = None


class profile:
    """`with profile("load"):` prints when the block starts and how long it took.

    stats_dict: nothing is printed; the milliseconds are added to `stats_dict[label]`. Also works as a decorator.
    """

    def __init__(self, label: str, stats_dict: Optional[Dict[str, int]] = None) -> None:
        self._label = label
        self._stats = stats_dict

    def __enter__(self) -> None:
        if self._stats is None:
            print("PROFILE: %s starting" % self._label)
        self._start = time.time()

    def __exit__(self, *exc: Any) -> None:
        if exc[0] is not None:
            return
        took = int((time.time() - self._start) * 1000)
        if self._stats is None:
            print("PROFILE: %s completed in %dms" % (self._label, took))
        else:
            self._stats[self._label] = self._stats.get(self._label, 0) + took

    def __call__(self, function: Any) -> Any:
        from functools import wraps

        @wraps(function)
        def profiled(*args: Any, **kwargs: Any) -> Any:
            with profile(self._label, self._stats):
                return function(*args, **kwargs)

        return profiled


profile.__module__ = "metaflow.metaflow_profile"


def from_start(msg: str) -> None:
    """Prints how long after its first call this one is, if METAFLOW_PROFILE_FROM_START is set."""
    from . import settings

    global _first
    if not settings.PROFILE_FROM_START:
        return
    _first = _first or time.time()
    print("From start: %s took %dms" % (msg, int((time.time() - _first) * 1000)))
