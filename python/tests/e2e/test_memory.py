"""A task that the kernel's out-of-memory killer ends, in a small memory control group: the machine is never filled."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Iterator

import pytest
from e2e_place import Place, finish
from memory_group import ENTER, memory_group

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
    with memory_group(LIMIT) as folder:
        yield folder


@pytest.mark.parametrize("who", ["run", "task"])
def test_the_out_of_memory_killer_is_named(place: Place, group: Path, who: str) -> None:
    place.flow("hungry.py", FLOW)
    command = [sys.executable, "hungry.py", "--no-pylint", "run"]
    if who == "run":
        ran = finish(place.start("-c", ENTER, str(group), *command))
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
