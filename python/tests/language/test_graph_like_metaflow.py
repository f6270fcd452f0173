"""Graphs and their checks, ours beside the real Metaflow's, on flows that break one rule each and on valid ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from flows_invalid import CRASHES, INVALID, VALID  # noqa: E402

PYTHON = Path(__file__).resolve().parents[2]
REAL = os.environ.get("HEADRACE_METAFLOW_PYTHON", "/opt/metaflow-venv/bin/python")


def _look_at(python: str, files: "Dict[str, Path]", path: str) -> Dict[str, Any]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "PYTHON"))}
    env.update(METAFLOW_USER="ann", PYTHONPATH=path)
    done = subprocess.run(
        [python, str(Path(__file__).parent / "inspect_flows.py")] + [str(p) for p in files.values()],
        env=env, stdout=subprocess.PIPE, check=True, timeout=300,
    )
    found = json.loads(done.stdout)
    return {name: found[str(p)] for name, p in files.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> "Dict[str, Path]":
    folder = tmp_path_factory.mktemp("flows")
    sources = {**INVALID, **VALID, **{name: source for name, (source, _) in CRASHES.items()}}
    paths = {}
    for i, (name, source) in enumerate(sources.items()):
        paths[name] = folder / ("flow%d.py" % i)
        paths[name].write_text(source)
    return paths


@pytest.fixture(scope="module")
def ours(files: "Dict[str, Path]") -> Dict[str, Any]:
    return _look_at(sys.executable, files, str(PYTHON))


@pytest.fixture(scope="module")
def theirs(files: "Dict[str, Path]") -> Dict[str, Any]:
    if not os.path.exists(REAL):
        pytest.skip("no real Metaflow at %s (HEADRACE_METAFLOW_PYTHON)" % REAL)
    return _look_at(REAL, files, "")


def _ordered(result: Dict[str, Any]) -> Dict[str, Any]:
    """One message lists steps in the order of a set."""
    if "error" in result:
        result = dict(result, error=list(result["error"]))
        result["error"][2] = re.sub(
            r"\(\*([^*]*)\*\) lead", lambda m: "(*%s*) lead" % ", ".join(sorted(m.group(1).split(", "))), result["error"][2]
        )
    return result


@pytest.mark.parametrize("name", INVALID)
def test_the_same_rule_is_said_to_be_broken(name: str, ours: Dict[str, Any], theirs: Dict[str, Any]) -> None:
    assert "error" in theirs[name]
    assert _ordered(ours[name]) == _ordered(theirs[name])


@pytest.mark.parametrize("name", VALID)
def test_valid_flows_have_the_same_graph(name: str, ours: Dict[str, Any], theirs: Dict[str, Any]) -> None:
    assert "steps" in theirs[name], theirs[name]
    assert ours[name] == theirs[name]


@pytest.mark.parametrize("name", INVALID)
def test_invalid_flows_are_refused(name: str, ours: Dict[str, Any]) -> None:
    kind, headline, message, _ = ours[name]["error"]
    assert (kind, headline) == ("LintWarn", "Validity checker found an issue") and message


@pytest.mark.parametrize("name", CRASHES)
def test_where_the_original_crashes_its_message_is_given(name: str, ours: Dict[str, Any]) -> None:
    assert CRASHES[name][1] in ours[name]["error"][2]
