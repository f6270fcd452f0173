"""How many cores this process may really use: its affinity and the quota of its control groups, not the machine's cores."""

from __future__ import annotations

import math
import os
from typing import List, Optional, Tuple

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


def cgroup_quota(root: str = "/sys/fs/cgroup", membership: str = "/proc/self/cgroup") -> Optional[float]:
    """The smallest CPU quota, in cores, of this process's control group and those above it; None without one."""
    quotas = [quota for folder in _cgroup_folders(root, membership) for quota in [_quota_of(folder)] if quota]
    return min(quotas) if quotas else None


def _cgroup_folders(root: str, membership: str) -> List[str]:
    folders = []
    for hierarchy, controllers, path in _memberships(membership):
        if hierarchy == "0":
            base = root
        elif "cpu" in controllers.split(","):
            base = os.path.join(root, "cpu") if os.path.isdir(os.path.join(root, "cpu")) else os.path.join(root, controllers)
        else:
            continue
        parts = [part for part in path.split("/") if part and part != ".."]
        # In a container the path may name a folder outside the mount; the mount itself is then the container's own group.
        folders += [os.path.join(base, *parts[:depth]) for depth in range(len(parts), -1, -1)]
    return folders


def _memberships(path: str) -> List[Tuple[str, str, str]]:
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError:
        return []
    split = [line.split(":", 2) for line in lines]
    return [(parts[0], parts[1], parts[2]) for parts in split if len(parts) == 3]


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
