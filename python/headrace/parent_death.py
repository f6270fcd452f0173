"""A process that ends with the one that forked it."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def signal_on_parent_death(number: int) -> None:
    """A signal for this process when the thread that forked it ends. If it has ended already, there is none."""
    if _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process when `parent`'s forking thread ends; at once if it has already."""
    signal_on_parent_death(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
