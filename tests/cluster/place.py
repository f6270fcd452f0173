"""A folder to run flows in whose pods and S3 objects are real."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from api import Namespace
from e2e_place import Place, Ran, engine_path, finish

ROOT = Path(__file__).resolve().parents[2]
# What the tests' images are called; somebody with a cluster of their own names theirs.
IMAGE = os.environ.get("HEADRACE_TEST_IMAGE", "python:3.11")
NUMPY_IMAGE = os.environ.get("HEADRACE_TEST_NUMPY_IMAGE", "python-numpy:3.11")
RUN_S_MAX = 240.0


class PodPlace(Place):
    """Flows run here with S3 as datastore and pods in `namespace`; pods are small unless a test says otherwise."""

    def __init__(self, folder: Path, kubeconfig: str, namespace: Namespace, s3: Dict[str, str]) -> None:
        super().__init__(folder)
        self.namespace = namespace
        self.env.update(s3)
        self.env.update(
            METAFLOW_DEFAULT_DATASTORE="s3",
            METAFLOW_DATASTORE_SYSROOT_S3="%s/%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), folder.name),
            KUBECONFIG=kubeconfig,
            METAFLOW_KUBERNETES_NAMESPACE=namespace.name,
            METAFLOW_KUBERNETES_SECRETS=os.environ.get("METAFLOW_KUBERNETES_SECRETS", "s3"),
            METAFLOW_KUBERNETES_CONTAINER_IMAGE=IMAGE,
            METAFLOW_KUBERNETES_CPU="0.1",
            METAFLOW_KUBERNETES_MEMORY="256",
            METAFLOW_KUBERNETES_DISK="256",
            HEADRACE_AGENT=os.environ.get("HEADRACE_AGENT", str(engine_path())),
        )

    def __call__(self, *arguments: str, env: Dict[str, str] = {}) -> Ran:
        return finish(self.start(*arguments, env=env), RUN_S_MAX)

    def start_run(self, flow: str, *options: str, env: Dict[str, str] = {}) -> "LiveRun":
        return LiveRun(self, self.path(flow), "--no-pylint", "run", *options, env=env)

    def run_pods(self, flow: str, *options: str, env: Dict[str, str] = {}) -> Ran:
        """`python FLOW run --with kubernetes OPTIONS` to its end."""
        return self.run(flow, "--with", "kubernetes", *options, env=env)


class LiveRun:
    """A run that goes on; its lines are read as they come, with the time at which they did."""

    def __init__(self, place: Place, *arguments: str, env: Dict[str, str] = {}) -> None:
        self.process = subprocess.Popen([sys.executable, *arguments], cwd=place.folder, env={**place.env, **env}, text=True,
                                        errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, start_new_session=True)
        self.stdout: List[Tuple[float, str]] = []
        self.stderr: List[Tuple[float, str]] = []
        self._changed = threading.Condition()
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: "subprocess.IO[str]", lines: List[Tuple[float, str]]) -> None:  # type: ignore[name-defined]
        for line in stream:
            with self._changed:
                lines.append((time.time(), line.rstrip("\n")))
                self._changed.notify_all()

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.stdout + self.stderr)

    @property
    def run_id(self) -> str:
        return self.wait_for(r"\(run-id ([^)]+)\)")[1].group(1)

    def wait_for(self, wanted: str, timeout_s: float = 150.0) -> "Tuple[float, re.Match[str]]":
        """When a line with `wanted` (a regular expression) came, and what matched."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                for when, line in self.stdout + self.stderr:
                    found = re.search(wanted, line)
                    if found:
                        return when, found
                left = deadline - time.monotonic()
                ended = self.process.poll() is not None and not any(reader.is_alive() for reader in self._readers)
                assert left > 0 and not ended, "`%s` never came:\n%s" % (wanted, self.text)
                self._changed.wait(min(left, 1.0))

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self, timeout_s: float = RUN_S_MAX) -> Ran:
        try:
            code: Optional[int] = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.close()
            raise AssertionError("it hangs:\n" + self.text)
        for reader in self._readers:
            reader.join(10)
        assert code is not None
        return Ran(code, *("\n".join(line for _, line in lines) + "\n" for lines in (self.stdout, self.stderr)))

    def close(self) -> None:
        """Ends what is left of it: its session, by its id."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
