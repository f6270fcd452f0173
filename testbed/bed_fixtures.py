"""Fixtures over the test bed, for a conftest.py to import: `s3`, variables that lead to an S3 server; `cluster`."""

from __future__ import annotations

from typing import Dict, Iterator

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
