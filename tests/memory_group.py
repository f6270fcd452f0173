"""A small memory control group for tests, so that the machine is never filled."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path
from typing import Iterator

import pytest

from headrace.cgroups import group_folders

#: `python -c ENTER FOLDER COMMAND...`: the command in the group.
ENTER = 'import os, sys; open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid())); os.execv(sys.executable, sys.argv[2:])'


#: A process that serves another ends a moment after it, later on a busy machine. What stays longer has been left behind.
END_S = 10.0


def _remove(folder: Path) -> None:
    """Raises if there are still processes in the group after END_S."""
    until = time.monotonic() + END_S
    while True:
        try:
            folder.rmdir()
            return
        except OSError as problem:
            if problem.errno != errno.EBUSY or time.monotonic() > until:
                raise
        time.sleep(0.01)


@contextlib.contextmanager
def memory_group(limit: int) -> Iterator[Path]:
    """Its folder; `limit` bytes, swap included. The test is skipped where none can be made."""
    parents = [Path(folder) for folder in group_folders("memory") if (Path(folder) / "cgroup.procs").exists()]
    why = "the kernel shows no memory control group"
    for parent in parents:
        folder = parent / ("headrace-test-%d" % os.getpid())
        try:
            folder.mkdir()
        except OSError as problem:
            why = "no memory control group can be made: %s" % problem
            continue
        try:
            limits = [name for name in ("memory.max", "memory.limit_in_bytes") if (folder / name).exists()]
            if not limits:  # a group of version 2 whose parent does not hand its memory on, or of another controller
                why = "%s has no limit of memory" % folder
                continue
            (folder / limits[0]).write_text(str(limit))
            for name, swap in (("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", limit)):
                if (folder / name).exists():
                    (folder / name).write_text(str(swap))
            yield folder
            return
        finally:
            _remove(folder)
    pytest.skip(why)
