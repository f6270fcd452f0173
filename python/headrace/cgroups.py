"""Where this process's control groups are."""

from __future__ import annotations

import functools
import os
from typing import List

ROOT = "/sys/fs/cgroup"
MEMBERSHIP = "/proc/self/cgroup"


def group_folders(controller: str, root: str = ROOT, membership: str = MEMBERSHIP) -> List[str]:
    """Folders of this process's groups that may limit `controller` (`memory`, `cpu`), each before those above it.

    Version 2 and version 1 both. A folder need not exist: in a container the path may name one outside of what is
    mounted, and the mount itself is then the container's own group. Empty where the kernel tells nothing.
    """
    try:
        with open(membership) as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return []
    folders: List[str] = []
    for _, controllers, path in (line for line in lines if len(line) == 3):
        if controllers == "":
            base = root
        elif controller in controllers.split(","):
            named = [os.path.join(root, name) for name in (controller, controllers)]
            base = next((folder for folder in named if os.path.isdir(folder)), named[0])
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        folders += [os.path.join(base, *parts[:depth]) for depth in range(len(parts), -1, -1)]
    return folders


@functools.lru_cache(maxsize=None)
def group_files(controller: str, *names: str, root: str = ROOT, membership: str = MEMBERSHIP) -> List[str]:
    """In each of `group_folders`, the first of these files that exists. Looked for once: a process stays in its group."""
    files: List[str] = []
    for folder in group_folders(controller, root, membership):
        candidates = [os.path.join(folder, name) for name in names]
        files += [file for file in candidates if os.path.exists(file)][:1]
    return files


def text_of(file: str) -> str:
    """What a small file of the kernel says. Not by `open`, whose streams cost more than the reading, and which is gone when the
    interpreter ends a generator."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 1 << 16).decode()
    finally:
        os.close(fd)
