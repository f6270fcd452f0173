"""Commands of a flow in a process of their own; the engine is replaced by one that stores the flow spec."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cli_harness import REAL, Ran, environment  # noqa: E402


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working directory, with a datastore, so that none is made."""
    (tmp_path / ".metaflow").mkdir()
    return tmp_path


@pytest.fixture
def command(folder: Path) -> Callable[..., Ran]:
    """command(source, *words, **environment): runs `python flow.py WORDS`."""

    def run(source: str, *words: str, **env: str) -> Ran:
        (folder / "flow.py").write_text(source)
        captured = folder / "captured.json"
        if captured.exists():
            captured.unlink()
        done = subprocess.run(
            [sys.executable, "flow.py", *words],
            cwd=folder,
            env=environment(CAPTURE=str(captured), HEADRACE_ENGINE=str(Path(__file__).parent / "capture_engine.py"), **env),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
        )
        return Ran(done, captured)

    return run


@pytest.fixture
def real(folder: Path) -> Callable[..., Ran]:
    """As `command`, with the real Metaflow."""
    if not os.path.exists(REAL):
        pytest.skip("no real Metaflow at %s (HEADRACE_METAFLOW_PYTHON)" % REAL)

    def run(source: str, *words: str, **env: str) -> Ran:
        (folder / "flow.py").write_text(source)
        variables = environment(**env)
        del variables["PYTHONPATH"]
        done = subprocess.run(
            [REAL, "flow.py", *words], cwd=folder, env=variables,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
        )
        return Ran(done, folder / "never")

    return run
