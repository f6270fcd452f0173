"""Large objects in little memory: a process whose control group has 512 MB moves an object of 2 GB, both ways.

The kernel ends a process of the group that takes more, so it is enough that all goes well. What the group may hold beside is the page
cache of the files, which gives way.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest
from memory_group import ENTER, memory_group
from signed import remove_below

LIMIT = 512 << 20
SIZE = 2 << 30

MOVE = """
import os, sys
from metaflow import S3
root, size = sys.argv[1], int(sys.argv[2])
with open("up", "wb") as out:
    for number in range(size >> 20):
        out.write(number.to_bytes(8, "little") * ((1 << 20) // 8))
with S3(s3root=root, tmproot=".") as s3:
    s3.put_files([("large", "up")])
    os.unlink("up")
    found = s3.get("large")
    assert found.size == size
    with open(found.path, "rb") as came:
        for number in range(size >> 20):
            assert came.read(1 << 20) == number.to_bytes(8, "little") * ((1 << 20) // 8), number
print("whole")
"""

ARTIFACT = """
from metaflow import FlowSpec, step

class Large(FlowSpec):
    @step
    def start(self):
        self.large = memoryview(bytes(150 << 20)).tobytes()
        self.next(self.end)

    @step
    def end(self):
        assert len(self.large) == 150 << 20
        print("whole")

if __name__ == "__main__":
    Large()
"""


@pytest.fixture
def root(s3: Dict[str, str]) -> Iterator[str]:
    """A prefix of its own, whose objects are removed at the end."""
    place = "%s/memory-%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), uuid.uuid4().hex)
    yield place
    remove_below(s3, place)


def in_group(group: Path, headrace: Any, s3: Dict[str, str], root: str, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {**headrace.env, **s3, "METAFLOW_DATASTORE_SYSROOT_S3": root, "METAFLOW_DEFAULT_DATASTORE": "s3", "ROOT": root}
    command = [headrace.python, "-c", ENTER, str(group), headrace.python, *[word.replace("ROOT", root) for word in words]]
    return subprocess.run(command, cwd=headrace.folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=900)


def killed(group: Path) -> int:
    """How many processes of the group the kernel has ended."""
    for name in ("memory.events", "memory.oom_control"):
        if (group / name).exists():
            told = dict(line.split() for line in (group / name).read_text().splitlines())
            return int(told.get("oom_kill", 0))
    pytest.skip("%s does not tell of the out-of-memory killer" % group)


def test_an_object_of_2_gb_goes_up_and_down_in_512_mb(headrace: Any, s3: Dict[str, str], root: str) -> None:
    if os.statvfs(headrace.folder).f_bavail * os.statvfs(headrace.folder).f_frsize < 4 * SIZE:
        pytest.skip("no room for files of %d GB below %s" % (SIZE >> 30, headrace.folder))
    with memory_group(LIMIT) as group:
        moved = in_group(group, headrace, s3, root, "-c", MOVE, "ROOT", str(SIZE))
        assert moved.returncode == 0 and moved.stdout.strip() == "whole", moved.stdout
        assert killed(group) == 0


def test_a_run_with_a_large_artifact_fits_in_512_mb(headrace: Any, s3: Dict[str, str], root: str) -> None:
    (headrace.folder / "large.py").write_text(ARTIFACT)
    with memory_group(LIMIT) as group:
        ran = in_group(group, headrace, s3, root, "large.py", "--no-pylint", "run")
        assert ran.returncode == 0 and "whole" in ran.stdout, ran.stdout
        assert killed(group) == 0
