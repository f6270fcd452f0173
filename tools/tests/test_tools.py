"""The tools themselves: tidy finds nothing here, the canary is noticed, layers catches a wrong include."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_tidy_finds_nothing() -> None:
    ran = run(sys.executable, "tools/tidy")
    assert ran.returncode == 0, ran.stdout


def test_a_failing_test_is_noticed() -> None:
    ran = run(sys.executable, "tools/check", "--canary")
    assert ran.returncode == 0, ran.stdout


def test_an_unknown_suite_is_said() -> None:
    ran = run(sys.executable, "tools/check", "nonsense")
    assert ran.returncode == 2 and "no suite is named nonsense" in ran.stdout


def test_layers_names_the_include_that_is_not_declared(tmp_path: Path) -> None:
    layers = tmp_path / "layers.txt"
    layers.write_text("base 0 \ncodec 1 base\nflow 1 base\nwire 2 base codec\n")  # wire without flow
    ran = run(sys.executable, "tools/layers", str(layers))
    assert ran.returncode == 1
    assert "includes flow/" in ran.stdout and "wire declares base, codec" in ran.stdout
