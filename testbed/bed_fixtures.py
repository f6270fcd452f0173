"""Fixtures for a conftest.py to import: over the test bed `s3`, variables that lead to an S3 server, and `cluster`; `small_disk`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable, Dict, Iterator, List

import bed
import pytest


@pytest.fixture(scope="session")
def s3() -> Iterator[Dict[str, str]]:
    """The environment variables that lead to an S3 server (see bed.s3_server); skips, saying why, where there can be none."""
    try:
        server = bed.s3_server()
        variables = server.__enter__()
    except bed.Unavailable as why:
        pytest.skip(str(why))
    yield variables
    server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def cluster(s3: Dict[str, str]) -> Iterator[bed.Cluster]:
    """A Kubernetes cluster whose pods reach the server of `s3`; skips, saying why, where there can be none."""
    try:
        manager = bed.cluster()
        found = manager.__enter__()
    except bed.Unavailable as why:
        pytest.skip(str(why))
    yield found
    manager.__exit__(None, None, None)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """`small_disk(size)`: a folder with room for so many bytes; skips where none can be mounted."""
    made: List[Path] = []

    def make(size: int) -> Path:
        folder = tmp_path / ("small-%d" % len(made))
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", str(folder)], capture_output=True)
        if mounted.returncode != 0:
            pytest.skip("no permission to mount a small file system")
        made.append(folder)
        return folder

    yield make
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)
