"""Helpers for whole runs: `python flow.py run` with the built engine, in a folder of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

ROOT = Path(__file__).resolve().parents[3]
FLOWS = ROOT / "tests" / "flows"
TIMEOUT_S = 120.0


def engine_path() -> Path:
    return Path(os.environ.get("HEADRACE_ENGINE", str(ROOT / "build/dev/engine/cli/headrace")))


class Ran:
    """A command that has ended. lines: stdout without time stamps."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr

    @property
    def run_id(self) -> str:
        found = re.search(r"\(run-id ([^)]+)\)", self.stdout)
        assert found, self
        return found.group(1)

    @property
    def lines(self) -> List[str]:
        return [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} ", "", line) for line in self.stdout.splitlines()]

    @property
    def plain(self) -> List[str]:
        """Lines with run ids and pids replaced."""
        text = re.sub(r"\b\d{16}\b", "RUN", "\n".join(self.lines))
        return re.sub(r"pid \d+", "pid N", text).splitlines()

    def __repr__(self) -> str:
        return "exit code %d\n--- stdout\n%s\n--- stderr\n%s" % (self.code, self.stdout, self.stderr)


class Place:
    """A folder to run flows in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "PYTHON", "HEADRACE_"))}
        self.env: Dict[str, str] = dict(
            kept, METAFLOW_USER="ann", TZ="UTC", HOME=str(folder), HEADRACE_ENGINE=str(engine_path()),
            PYTHONPATH=str(ROOT / "python"),
        )

    def flow(self, name: str, text: str) -> str:
        """Writes a flow's file; returns its name."""
        (self.folder / name).write_text(text)
        return name

    def start(self, *arguments: str, env: Dict[str, str] = {}, **kwargs: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env={**self.env, **env}, text=True, errors="replace",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs,
        )

    def __call__(self, *arguments: str, env: Dict[str, str] = {}) -> Ran:
        """`python ARGUMENTS` to its end."""
        process = self.start(*arguments, env=env)
        return finish(process)

    def run(self, flow: str, *options: str, env: Dict[str, str] = {}) -> Ran:
        """`python FLOW --no-pylint run OPTIONS`. flow: a name in tests/flows or in this folder."""
        return self(self.path(flow), "--no-pylint", "run", *options, env=env)

    def resume(self, flow: str, *options: str, env: Dict[str, str] = {}) -> Ran:
        return self(self.path(flow), "--no-pylint", "resume", *options, env=env)

    def path(self, flow: str) -> str:
        return flow if (self.folder / flow).exists() else str(FLOWS / flow)

    @property
    def root(self) -> Path:
        return self.folder / ".metaflow"

    def data(self, flow: str, run: str, step: str, task: str, attempt: int = 0) -> Dict[str, Any]:
        """`N.data.json`."""
        found: Dict[str, Any] = json.loads((self.root / flow / run / step / task / ("%d.data.json" % attempt)).read_text())
        return found

    def artifact(self, flow: str, run: str, step: str, task: str, name: str, attempt: int = 0) -> Any:
        """Reads a stored artifact with nothing but the standard library."""
        import gzip
        import pickle

        key = self.data(flow, run, step, task, attempt)["objects"][name]
        path = self.root / flow / "data" / key[:2] / key
        raw = json.loads(Path(str(path) + "_meta").read_text())["cas_raw"]
        return pickle.loads(path.read_bytes() if raw else gzip.decompress(path.read_bytes()))


def finish(process: "subprocess.Popen[str]", timeout_s: float = TIMEOUT_S) -> Ran:
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
        raise AssertionError("it hangs: %r" % Ran(-1, stdout, stderr))
    return Ran(process.returncode, stdout, stderr)


class Terminal:
    """A process with a pseudo-terminal of its own."""

    def __init__(self, place: Place, *arguments: str) -> None:
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(place.folder)
                os.execve(sys.executable, [sys.executable, *arguments], place.env)
            finally:
                os._exit(127)

    def wait_for(self, wanted: str, timeout_s: float = TIMEOUT_S) -> str:
        """Reads until `wanted` (a regular expression) has been shown."""
        deadline = time.monotonic() + timeout_s
        while not re.search(wanted, self.text):
            assert self._read(deadline), "`%s` never came:\n%s" % (wanted, self.text)
        return self.text

    def press(self, key: str) -> None:
        os.write(self.fd, key.encode())

    def end(self, timeout_s: float = TIMEOUT_S) -> int:
        """Reads to the end; the exit code, negative for a signal."""
        deadline = time.monotonic() + timeout_s
        while self._read(deadline):
            pass
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.pid = 0
                return os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status >> 8
            time.sleep(0.01)
        raise AssertionError("it does not end:\n%s" % self.text)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self.fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.text += data.decode("utf-8", "replace")
        return bool(data)

    def close(self) -> None:
        if self.pid:
            try:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        os.close(self.fd)


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """True unless the process has ended (a zombie has)."""
    try:
        state: Optional[str] = Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")
