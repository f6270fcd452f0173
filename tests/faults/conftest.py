"""What the tests of faults share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from products import Product  # noqa: E402
from s3_proxy import FaultProxy  # noqa: E402
from s3_work import NewPlace, Place  # noqa: E402
from signed import remove_below  # noqa: E402


@pytest.fixture
def quiet(s3: Dict[str, str]) -> Iterator[FaultProxy]:
    """A proxy before the server that spoils nothing."""
    with FaultProxy(s3["METAFLOW_S3_ENDPOINT_URL"]) as proxy:
        yield proxy


@pytest.fixture
def new_place(headrace: Product, s3: Dict[str, str]) -> Iterator[NewPlace]:
    """`new_place(VARIABLE="value")`: a Place whose objects are removed at the end."""
    made: List[Place] = []

    def make(**more: str) -> Place:
        made.append(Place(headrace, s3, **more))
        return made[-1]

    yield make
    for place in made:
        remove_below(s3, place.root)
