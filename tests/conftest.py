"""What spans modules: whole runs of Headrace, and of the real Metaflow beside it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Callable, List

import pytest
from products import ROOT, Product, base_environment, engine_path, without_noise

sys.path.insert(0, str(ROOT / "testbed"))

from bed_fixtures import s3  # noqa: E402, F401


@pytest.fixture
def headrace(tmp_path: Path) -> Product:
    env = dict(base_environment(), HEADRACE_ENGINE=engine_path(), PYTHONPATH=str(ROOT / "python"))
    (tmp_path / "headrace").mkdir()
    return Product("headrace", sys.executable, env, tmp_path / "headrace")


@pytest.fixture
def metaflow(tmp_path: Path) -> Product:
    python = os.environ.get("HEADRACE_METAFLOW_PYTHON", "")
    if not python:
        pytest.skip("no real Metaflow: HEADRACE_METAFLOW_PYTHON is not set (./test sets it)")
    (tmp_path / "metaflow").mkdir()
    env = dict(base_environment(), METAFLOW_HOME=str(tmp_path / "no-config"))
    return Product("metaflow", python, env, tmp_path / "metaflow")


@pytest.fixture
def noiseless() -> Callable[[str], List[str]]:
    return without_noise
