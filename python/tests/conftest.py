"""What all tests share: this tree is imported, and no test leaves the process "in a task" for the next one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Iterator

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parents[2] / "testbed")]

from bed_fixtures import s3, small_disk  # noqa: E402, F401

@pytest.fixture(autouse=True)
def restored_current() -> Iterator[None]:
    """`metaflow.current` as it was: tasks and decorators that run in this process set and add attributes."""
    from headrace.current import current

    cls: Any = type(current)
    attributes, added = dict(current.__dict__), set(vars(cls))
    yield
    current.__dict__.clear()
    current.__dict__.update(attributes)
    for name in set(vars(cls)) - added:
        delattr(cls, name)
