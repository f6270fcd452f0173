"""What `import metaflow` loads, and that it refuses to share a place with the real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PYTHON = Path(__file__).resolve().parents[2]

#: Everything of ours that `import metaflow` loads.
OURS = {"metaflow", "headrace", "headrace._version", "headrace.foreach", "headrace.seeds"}

#: Slow modules that neither the import nor the names of an ordinary flow may load.
SLOW = {
    "asyncio", "subprocess", "tempfile", "inspect", "ctypes", "click", "dataclasses", "logging", "threading", "socket",
    "pickle", "datetime", "uuid", "ast", "shutil", "zlib", "concurrent", "multiprocessing", "urllib", "traceback",
}


def run(code: str, path: Path = PYTHON) -> "subprocess.CompletedProcess[str]":
    env = dict(os.environ, PYTHONPATH=str(path))
    # Python looks in the working directory first.
    return subprocess.run([sys.executable, "-S", "-c", code], cwd=path, env=env, capture_output=True, text=True)


def loaded_by(statement: str) -> "set[str]":
    done = run("import sys; before = set(sys.modules); %s; print(*sorted(set(sys.modules) - before))" % statement)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_import_metaflow_loads_little() -> None:
    loaded = loaded_by("import metaflow")
    assert {name for name in loaded if name.split(".")[0] in ("metaflow", "headrace")} == OURS
    assert loaded & (SLOW | {"json"}) == set()


def test_names_of_decorators_load_only_themselves() -> None:
    loaded = loaded_by("from metaflow import retry, catch, resources, current, S3, profile, parallel_map")
    assert loaded & SLOW == set()
    assert "headrace.decorators.kubernetes" not in loaded
    assert "headrace.client" not in loaded


def test_a_real_metaflow_in_the_same_place_is_refused(tmp_path: Path) -> None:
    for name in ("metaflow", "headrace"):
        (tmp_path / name).symlink_to(PYTHON / name)
    assert run("import metaflow", tmp_path).returncode == 0
    (tmp_path / "metaflow-2.19.38.dist-info").mkdir()
    done = run("import metaflow", tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: Headrace and Metaflow cannot be installed in one environment")
    assert "pip uninstall metaflow" in last and str(tmp_path) in last


def test_a_decorator_that_nobody_knows_is_a_name_error() -> None:
    done = run("from metaflow import FlowSpec, step\nclass F(FlowSpec):\n  @nonsense\n  @step\n  def start(self): pass\n")
    assert "NameError: name 'nonsense' is not defined" in done.stderr
