"""The two products, each in a folder of its own, and transcripts that can be compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FLOWS = ROOT / "tests" / "flows"


class Ran(NamedTuple):
    code: int
    stdout: str
    stderr: str

    @property
    def run_id(self) -> str:
        found = re.search(r"\(run-id ([^)]+)\)", self.stdout)
        assert found, self.stdout + self.stderr
        return found.group(1)


class Product:
    """One of the two products in a folder of its own."""

    def __init__(self, name: str, python: str, env: Dict[str, str], folder: Path) -> None:
        path = "%s:%s" % (os.path.dirname(python), env.get("PATH", ""))  # Metaflow starts plain `python` here and there
        self.name, self.python, self.env, self.folder = name, python, dict(env, PATH=path), folder

    def __call__(self, *arguments: str, env: Dict[str, str] = {}, timeout_s: float = 120) -> Ran:
        """`python ARGUMENTS`, in the folder, to its end."""
        done = subprocess.run([self.python, *arguments], cwd=self.folder, env={**self.env, **env}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout_s)
        return Ran(done.returncode, done.stdout, done.stderr)

    def run(self, flow: Path, *options: str) -> Ran:
        return self(str(flow), "--no-pylint", "run", *options)


def base_environment() -> Dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "PYTHON"))}
    kept.update(METAFLOW_USER="ann", TZ="UTC")
    return kept


def engine_path() -> str:
    path = Path(os.environ.get("HEADRACE_ENGINE") or ROOT / "build/dev/engine/cli/headrace").resolve()  # Products run elsewhere.
    assert path.is_file(), "no engine at %s: build it first (./test does)" % path
    return str(path)


def headrace_in(folder: Path) -> Product:
    """Headrace of this tree, in a folder that is made."""
    folder.mkdir()
    env = dict(base_environment(), HEADRACE_ENGINE=engine_path(), PYTHONPATH=str(ROOT / "python"))
    return Product("headrace", sys.executable, env, folder)


def without_noise(text: str) -> List[str]:
    """Lines with times, run ids, pids and versions replaced, so that two transcripts can be compared."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "TIME", text)
    text = re.sub(r"\b\d{16}\b", "RUN", text)
    text = re.sub(r"pid \d+", "pid N", text)
    text = re.sub(r"^(Metaflow|Headrace) \S+ executing", "PRODUCT executing", text, flags=re.M)
    return [line.rstrip() for line in text.splitlines()]
