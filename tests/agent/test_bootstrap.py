"""The text that a pod's Python runs first: from parts of an executable to the agent."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any, Dict

import pytest
from products import engine_path


def parts_of(program: bytes, folder: Path, size: int = 1 << 20) -> None:
    """Parts as a projected volume shows them: links into a hidden folder."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = packer.compress(program) + packer.flush()
    hidden = folder / "..2026"
    hidden.mkdir(parents=True)
    (folder / "..data").symlink_to("..2026")
    for number, start in enumerate(range(0, len(packed), size)):
        (hidden / ("%03d" % number)).write_bytes(packed[start:start + size])
        (folder / ("%03d" % number)).symlink_to("..data/%03d" % number)


@pytest.fixture(scope="module")
def program(tmp_path_factory: Any) -> bytes:
    """The engine without what only a debugger reads: a hundred MB less to pack."""
    stripped = tmp_path_factory.mktemp("agent") / "headrace"
    subprocess.run(["strip", "-o", str(stripped), engine_path()], check=True)
    return stripped.read_bytes()


@pytest.fixture(scope="module")
def text() -> str:
    return subprocess.run([engine_path(), "agent", "--bootstrap"], capture_output=True, check=True, text=True).stdout


@pytest.fixture
def parts(tmp_path: Path, program: bytes) -> Dict[str, str]:
    """Variables of a pod whose agent is this engine."""
    parts_of(program, tmp_path / "parts")
    (tmp_path / "work").mkdir()
    return {"HEADRACE_AGENT_PARTS": str(tmp_path / "parts"), "HEADRACE_AGENT_SHA1": hashlib.sha1(program).hexdigest(),
            "HEADRACE_WORK": str(tmp_path / "work"), "PATH": os.environ["PATH"]}


def start(text: str, env: Dict[str, str], python: str = sys.executable, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([python, "-c", text], env=env, capture_output=True, text=True, timeout=60, **options)


def test_the_agent_is_started_from_its_parts(text: str, parts: Dict[str, str]) -> None:
    done = start(text, parts)
    assert "the agent was not told what to run" in done.stdout and done.returncode == 1, done
    assert os.access(parts["HEADRACE_WORK"] + "/headrace", os.X_OK)


def test_a_whole_attempt_without_home_and_by_any_user(text: str, parts: Dict[str, str], pod: Any) -> None:
    folder = pod.headrace.folder
    user: Dict[str, Any] = {}
    if os.geteuid() == 0:
        for path in [folder, Path(parts["HEADRACE_WORK"]), *folder.rglob("*")]:
            os.chown(path, 54321, 54321, follow_symlinks=False)
        for above in [folder, *folder.parents][:4]:
            above.chmod(0o755)
        user = {"user": 54321, "group": 54321, "extra_groups": []}
    env = pod.environment(pod.spec(), **{k: v for k, v in parts.items() if k != "HEADRACE_WORK"})
    env = {k: v for k, v in env.items() if k not in ("HOME", "HEADRACE_PYTHON", "HEADRACE_PYTHON_VERSION")}
    python = python_of_all()
    if not python:
        pytest.skip("no Python here that other users may start")
    done = start(text, env, python, cwd=folder, **user)
    assert done.returncode == 0, done
    report = json.loads(pod.report_file.read_text())
    assert report["committed"]["ok"] and report["python_version"]


def python_of_all() -> str:
    """A Python that any user may start; the tests' own may lie in somebody's home."""
    for path in [sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")]:
        if path and all(above.stat().st_mode & 0o005 == 0o005 for above in [*Path(path).parents, *Path(path).resolve().parents]):
            return path
    return ""


def test_memory_serves_where_no_folder_can_be_written(text: str, parts: Dict[str, str]) -> None:
    shutil.rmtree(parts["HEADRACE_WORK"])
    done = start(text, parts)
    assert "the agent was not told what to run" in done.stdout, done
    del parts["HEADRACE_WORK"]
    assert "the agent was not told what to run" in start(text, parts).stdout


@pytest.mark.parametrize("damage", ["hash", "cut", "none"])
def test_damaged_parts_are_one_clear_line(text: str, parts: Dict[str, str], damage: str) -> None:
    if damage == "hash":
        parts["HEADRACE_AGENT_SHA1"] = "0" * 40
    elif damage == "cut":
        first = Path(parts["HEADRACE_AGENT_PARTS"], "..2026", "000")
        first.write_bytes(first.read_bytes()[:5000])
    else:
        del parts["HEADRACE_AGENT_PARTS"]
    done = start(text, parts)
    assert done.returncode == 1 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("headrace: the agent cannot be started in this pod: ")


def test_the_text_is_of_old_python_too(text: str) -> None:
    import ast

    ast.parse(text, feature_version=(3, 6))
