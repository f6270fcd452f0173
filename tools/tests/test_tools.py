"""The tools themselves: tidy finds nothing here, the canary is noticed, layers catches a wrong include."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, env=dict(os.environ, **variables), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)


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


def test_awaits_finds_loops_without_a_body(tmp_path: Path) -> None:
    (tmp_path / "one.cc").write_text(
        "while (co_await f(1, 2)) {}\n"
        "g(); while (co_await g());\n"
        "while (co_await g()) {\n}\n"
        "for (int i = 0; co_await g(); ++i) {}\n")
    (tmp_path / "fine.cc").write_text(
        "while (co_await f()) { count(); }\n"
        "do { count(); } while (co_await f());\n"
        "while (f()) {}\n"
        "for (int i = 0; i < 3; ++i) {}\n"
        "// while (co_await f()) {}\n")
    ran = run(sys.executable, "tools/awaits", str(tmp_path))
    lines = [line.split(":")[1] for line in ran.stdout.splitlines() if "one.cc" in line and "without a body" in line]
    assert ran.returncode == 1 and lines == ["1", "2", "3", "5"], ran.stdout
    assert "fine.cc" not in ran.stdout


def test_awaits_finds_what_is_made_inside_of_an_await(tmp_path: Path) -> None:
    (tmp_path / "one.cc").write_text("co_await pool.run([key] { return key; });\nco_await send(Message{.id = 1});\nco_await done();\n")
    ran = run(sys.executable, "tools/awaits", str(tmp_path))
    assert ran.returncode == 1 and [line.split(":")[1] for line in ran.stdout.splitlines()] == ["1", "2"], ran.stdout


def test_sources_are_fetched_by_a_python_without_pip(tmp_path: Path) -> None:
    made = run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare"))
    assert made.returncode == 0, made.stdout
    bare = str(tmp_path / "bare" / "bin" / "python")
    assert run(bare, "-m", "pip", "--version").returncode != 0
    ran = run("tools/fetch-sources", "isal", PYTHON=bare, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert ran.returncode == 0, ran.stdout
    assert (Path(ran.stdout.splitlines()[-1]) / "src" / "isal" / "isa-l").is_dir()
