"""Fixtures for whole runs with the built engine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, List

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from e2e_place import Place, Terminal, engine_path  # noqa: E402


@pytest.fixture
def place(tmp_path: Path) -> Place:
    assert engine_path().is_file(), "no engine at %s: build it first" % engine_path()
    return Place(tmp_path)


@pytest.fixture
def terminal(place: Place) -> Any:
    opened: List[Terminal] = []

    def start(*arguments: str) -> Terminal:
        opened.append(Terminal(place, *arguments))
        return opened[-1]

    yield start
    for each in opened:
        each.close()
