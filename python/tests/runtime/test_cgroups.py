"""Limits of control groups, of both versions, in folders made here."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from headrace import forksafe
from headrace.cgroups import group_folders
from headrace.parallel.cpus import cgroup_quota


def membership(tmp_path: Path, *lines: str) -> str:
    """A file of its own each time: what a process is told of its group, it is told once."""
    file = tmp_path / ("membership%d" % len(list(tmp_path.glob("membership*"))))
    file.write_text("".join(line + "\n" for line in lines))
    return str(file)


@pytest.mark.parametrize("lines, folders", [
    (["0::/a/b"], ["a/b", "a", "."]),
    (["0::/"], ["."]),
    (["0::/../../pod"], ["pod", "."]),
    (["4:memory:/x", "3:cpu,cpuacct:/y"], ["memory/x", "memory"]),
    (["nonsense"], []),
])
def test_folders_go_from_the_own_group_up(tmp_path: Path, lines: List[str], folders: List[str]) -> None:
    (tmp_path / "memory").mkdir()
    found = group_folders("memory", str(tmp_path), membership(tmp_path, *lines))
    assert [Path(folder) for folder in found] == [tmp_path / folder for folder in folders]


def test_version_one_folders_may_be_named_by_all_their_controllers(tmp_path: Path) -> None:
    (tmp_path / "cpu,cpuacct").mkdir()
    assert group_folders("cpu", str(tmp_path), membership(tmp_path, "3:cpu,cpuacct:/")) == [str(tmp_path / "cpu,cpuacct")]


def test_without_the_kernels_word_there_are_none(tmp_path: Path) -> None:
    assert group_folders("cpu", str(tmp_path), str(tmp_path / "nothing")) == []


def test_the_smallest_cpu_quota_counts(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "cpu.max").write_text("max 100000\n")
    (tmp_path / "a" / "cpu.max").write_text("150000 100000\n")
    assert cgroup_quota(str(tmp_path), membership(tmp_path, "0::/a/b")) == 1.5
    assert cgroup_quota(str(tmp_path), membership(tmp_path, "0::/other")) is None


def test_cpu_quota_of_version_one(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("50000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert cgroup_quota(str(tmp_path), membership(tmp_path, "3:cpu:/")) == 0.5


@pytest.mark.parametrize("files, limit", [
    ({"memory.max": "1000", "memory.swap.max": "24"}, 1024),
    ({"memory.max": "max", "memory.swap.max": "24"}, None),
    ({"memory.limit_in_bytes": "4096"}, 4096),
    ({"memory.limit_in_bytes": "9223372036854771712"}, None),
    ({}, None),
])
def test_memory_limits(tmp_path: Path, files: "dict[str, str]", limit: "int | None") -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert forksafe._limit_of(str(tmp_path)) == limit
