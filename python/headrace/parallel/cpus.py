"""How many cores this process may really use: its affinity and the quota of its control groups, not the machine's cores."""

from __future__ import annotations

import math
import os
from typing import Optional

from ..cgroups import MEMBERSHIP, ROOT, group_folders

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


def cgroup_quota(root: str = ROOT, membership: str = MEMBERSHIP) -> Optional[float]:
    """The smallest CPU quota, in cores, of this process's control group and those above it; None without one."""
    quotas = [quota for folder in group_folders("cpu", root, membership) for quota in [_quota_of(folder)] if quota]
    return min(quotas, default=None)


def _quota_of(folder: str) -> Optional[float]:
    try:
        with open(os.path.join(folder, "cpu.max")) as file:
            quota, period = file.read().split()
    except (OSError, ValueError):
        try:
            with open(os.path.join(folder, "cpu.cfs_quota_us")) as file:
                quota = file.read().strip()
            with open(os.path.join(folder, "cpu.cfs_period_us")) as file:
                period = file.read().strip()
        except OSError:
            return None
    if quota == "max" or int(quota) <= 0 or int(period) <= 0:
        return None
    return int(quota) / int(period)
