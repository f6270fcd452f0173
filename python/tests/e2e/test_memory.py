"""A task that the kernel's out-of-memory killer ends, in a small memory control group: the machine is never filled."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Iterator

import pytest
from e2e_place import Place, finish

from headrace.cgroups import group_folders

LIMIT = 256 << 20

#: Shared memory is no data of the process: RLIMIT_DATA does not see it, the group does.
FLOW = """
import mmap, os
from metaflow import FlowSpec, resources, step

class Hungry(FlowSpec):
    @resources(memory=100)
    @step
    def start(self):
        if "TASK_GROUP" in os.environ:
            with open(os.environ["TASK_GROUP"] + "/cgroup.procs", "w") as procs:
                procs.write(str(os.getpid()))
        size = 1 << 30
        area = mmap.mmap(-1, size)
        for place in range(0, size, 4096):
            area[place] = 1
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Hungry()
"""


@pytest.fixture
def group() -> Iterator[Path]:
    """A memory group with a limit of 256 MB, swap included."""
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
            (folder / limits[0]).write_text(str(LIMIT))
            for name, swap in (("memory.swap.max", 0), ("memory.memsw.limit_in_bytes", LIMIT)):
                if (folder / name).exists():
                    (folder / name).write_text(str(swap))
            yield folder
            return
        finally:
            folder.rmdir()
    pytest.skip(why)


@pytest.mark.parametrize("who", ["run", "task"])
def test_the_out_of_memory_killer_is_named(place: Place, group: Path, who: str) -> None:
    place.flow("hungry.py", FLOW)
    enter = 'import os, sys; open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid())); os.execv(sys.executable, sys.argv[2:])'
    command = ["python", "hungry.py", "--no-pylint", "run"]
    if who == "run":
        ran = finish(place.start("-c", enter, str(group), *command))
    else:
        ran = finish(place.start(*command[1:], env={"TASK_GROUP": str(group)}))
    assert ran.code == 1, ran
    told = re.search(r"The kernel killed `%s/start/1` for lack of memory: it used (\d+) MB at its peak, "
                     r"it asked for 100 MB with @resources; this machine has (\d+) MB" % ran.run_id, ran.stderr)
    assert told, ran
    assert LIMIT / 2 < int(told.group(1)) * 10**6 <= LIMIT * 1.1, ran  # its own pages and those it shares with the host
    if who == "run":
        assert int(told.group(2)) == LIMIT // 10**6
    # What was stored is whole, and a run with more memory goes on from it.
    assert (place.root / "Hungry" / ran.run_id / "start" / "1" / "0.attempt.json").exists()
