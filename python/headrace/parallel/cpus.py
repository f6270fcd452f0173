"""How many cores this process may really use: its affinity and the quota of its control groups, not the machine's cores."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
from typing import List, Optional

from ..cgroups import MEMBERSHIP, ROOT, group_files, text_of

_current_core = ctypes.CDLL(None).sched_getcpu

# A worker divides its parent's cores among its own workers.
_shared_by = 1


def usable_cpus() -> int:
    """At least 1."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = cgroup_quota()
    if quota is not None:
        allowed = min(allowed, max(1, math.ceil(quota)))
    return max(1, allowed // _shared_by)


def share_with(workers: int) -> None:
    """Called in a worker: nested calls get their share of the cores."""
    global _shared_by
    _shared_by *= max(1, workers)


def cores_for(workers: int) -> List[int]:
    """On which core each of `workers` is to start, this process's own as the last; empty where the kernel chooses well itself.

    When as many workers as cores are forked, the kernel finds this process on one of the cores, which is about to wait, and may
    queue two workers on another: seen for 4 to 15 ms, until it evens them out.
    """
    with contextlib.suppress(OSError, AttributeError):
        cores = os.sched_getaffinity(0)
        if len(cores) == workers:
            own = _current_core()
            return sorted(cores - {own}) + [own]
    return []


def start_on(core: int, pid: int) -> None:
    """Moves a process forked a moment ago to `core`; from there the kernel may move it as it sees fit."""
    with contextlib.suppress(OSError):  # Refused by a sandbox, or it has ended: it is as the kernel wanted it.
        everywhere = os.sched_getaffinity(pid)
        os.sched_setaffinity(pid, {core})
        os.sched_setaffinity(pid, everywhere)


def cgroup_quota(root: str = ROOT, membership: str = MEMBERSHIP) -> Optional[float]:
    """The smallest CPU quota, in cores, of this process's control group and those above it; None without one."""
    files = group_files("cpu", "cpu.max", "cpu.cfs_quota_us", root=root, membership=membership)
    return min((quota for file in files for quota in [_quota_in(file)] if quota), default=None)


def _quota_in(file: str) -> Optional[float]:
    """Of `cpu.max` (version 2: quota and period) or `cpu.cfs_quota_us` (version 1: the period has a file of its own)."""
    try:
        quota, *periods = text_of(file).split()
        period = periods[0] if periods else text_of(file.replace("cfs_quota", "cfs_period"))
    except (OSError, ValueError):
        return None
    if quota == "max" or int(quota) <= 0 or int(period) <= 0:
        return None
    return int(quota) / int(period)
