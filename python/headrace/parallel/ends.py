"""How workers end: waiting for one, killing one and what it has started, and what is said of one that died."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import List, Optional, Tuple

from ..cgroups import MEMBERSHIP, ROOT, group_files, text_of
from .system import process_fd


# How often processes are looked at where they have no descriptors.
LOOK_MS = 20


def watched(pid: int) -> int:
    """A descriptor for `poll`, of a child that was forked a moment ago or of this process: ready when it has ended.

    -1 where there is no such thing: it has to be looked at.
    """
    try:
        return process_fd(pid)
    except ProcessLookupError:
        # It has ended already, and somebody else waits for all children, or the kernel does, as SIGCHLD is ignored.
        always_ready, other_end = os.pipe()
        os.close(other_end)
        return always_ready


def ended(pid: int, pidfd: int, wait_ms: Optional[int]) -> bool:
    """Whether a child has ended, at the latest after so long; None: waits for it."""
    if pidfd >= 0:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(wait_ms))
    until = None if wait_ms is None else time.monotonic() + wait_ms / 1000
    while not _is_over(pid):
        if until is not None and time.monotonic() >= until:
            return False
        time.sleep(LOOK_MS / 1000)
    return True


def _is_over(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


class Started:
    """The processes that a worker has started and not left: they would run on after it, and hold the step's output open."""

    def __init__(self, pid: int) -> None:
        self._processes: List[Tuple[int, int]] = []  # pid and descriptor
        for descendant in _descendants(pid):
            with contextlib.suppress(OSError):
                self._processes.append((descendant, process_fd(descendant)))

    def kill(self) -> None:
        for pid, fd in self._processes:
            since = Started(pid)
            send(pid, fd, signal.SIGKILL)
            since.kill()
            if fd >= 0:
                os.close(fd)
        self._processes = []


def send(pid: int, pidfd: int, number: int) -> None:
    """A signal, if the process has not ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if pidfd >= 0 and hasattr(signal, "pidfd_send_signal"):
            signal.pidfd_send_signal(pidfd, number)
        else:
            os.kill(pid, number)


def how(code: Optional[int]) -> str:
    """code: of the process, negative for a signal, None if it is not known."""
    if code is None:
        return "has ended"
    if code >= 0:
        return "exited with code %d" % code
    try:
        return "was ended by %s" % signal.Signals(-code).name
    except ValueError:
        return "was ended by signal %d" % -code


def oom_kills(root: str = ROOT, membership: str = MEMBERSHIP) -> int:
    """How many processes the kernel killed for memory in this process's control group; 0 where that is not told."""
    for base in (root, os.path.join(root, "unified")):  # where groups of version 2 are beside those of version 1
        for name in group_files("memory", "memory.events", "memory.oom_control", root=base, membership=membership):
            with contextlib.suppress(OSError, StopIteration):
                return next(int(line.split()[1]) for line in text_of(name).splitlines() if line.startswith("oom_kill "))
    return 0


def _descendants(pid: int) -> List[int]:
    """Empty where the kernel does not list children."""
    found: List[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/%d/task" % pid):
            found += map(int, text_of("/proc/%d/task/%s/children" % (pid, task)).split())
    return found + [below for child in found for below in _descendants(child)]
