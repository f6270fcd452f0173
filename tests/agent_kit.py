"""An attempt in a pod, without a cluster: `headrace agent` as a plain process, with a directory for a datastore."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from products import Product, engine_path

FLOW = '''
import os, sys, time
from metaflow import FlowSpec, Parameter, current, step

class PodFlow(FlowSpec):
    alpha = Parameter("alpha", default=3)

    @step
    def start(self):
        self.x = [1, 2]
        self.next(self.work)

    @step
    def work(self):
        self.y = self.x + [self.alpha]
        exec(os.environ.get("WHAT", ""))
        self.next(self.end)

    @step
    def end(self):
        print("the end", self.y)

if __name__ == "__main__":
    PodFlow()
'''


class Line(NamedTuple):
    number: int
    stream: str
    time: str
    text: str


class Ended(NamedTuple):
    """How an agent ended."""

    code: int
    lines: List[Line]
    report: Dict[str, Any]
    stderr: str

    def texts(self, stream: str) -> List[str]:
        return [line.text for line in self.lines if line.stream == stream]


def lines_of(log: bytes) -> List[Line]:
    """Every line of a pod's log: all have the agent's frame, and their numbers lack none."""
    lines = []
    for text in log.decode("utf-8", "replace").splitlines():
        head, number, stream, time, rest = text.split("|", 4)
        assert head == "HR" and stream in "oe" and time.endswith("Z"), text
        lines.append(Line(int(number), stream, time, rest))
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    return lines


class Running:
    """An agent that runs."""

    def __init__(self, pod: "Pod", process: "subprocess.Popen[bytes]") -> None:
        self.pod, self.process = pod, process
        self.log = b""

    def wait_for_line(self, text: str) -> None:
        """Reads the pod's log until a line with that text."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log += line
            if text in line.decode():
                return
        raise AssertionError("no line with %r in %r" % (text, self.log))

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=60)
        report = self.pod.report_file.read_text()
        return Ended(self.process.returncode, lines_of(self.log + out), json.loads(report) if report else {}, err.decode())


class Pod:
    """One attempt of step `work` of a run whose other steps ran locally."""

    def __init__(self, headrace: Product) -> None:
        self.headrace = headrace
        self.flow = headrace.folder / "podflow.py"
        self.flow.write_text(FLOW)
        ran = headrace.run(self.flow)
        assert ran.code == 0, ran.stdout + ran.stderr
        self.run_id = ran.run_id
        self.root = headrace.folder / ".metaflow"
        self.work = headrace.folder / "work"
        self.work.mkdir()
        self.report_file = headrace.folder / "termination-log"
        self.report_file.touch()
        self.sha = self._package()
        self.task = self.root / "PodFlow" / self.run_id / "work" / "77"

    def _package(self) -> str:
        saved = self.headrace(str(self.flow), "--no-pylint", "package", "save", "package.tgz")
        assert saved.code == 0, saved.stdout + saved.stderr
        content = (self.headrace.folder / "package.tgz").read_bytes()
        sha = hashlib.sha1(content).hexdigest()
        blob = self.root / "PodFlow" / "data" / sha[:2] / sha
        blob.parent.mkdir(exist_ok=True)
        blob.write_bytes(content)
        Path(str(blob) + "_meta").write_text('{"cas_raw": true, "cas_version": 1}')
        return sha

    def spec(self, **changes: Any) -> Dict[str, Any]:
        found: Dict[str, Any] = {
            "wire": 1, "flow": "PodFlow", "run_id": self.run_id, "user": "ann", "namespace": "user:ann", "tags": [],
            "sys_tags": ["user:ann"], "datastore": {"type": "local", "root": str(self.root)}, "sys_version": sys.version,
            "origin_run_id": None,
            "sysmeta": [{"field": "python_version", "type": "python_version", "value": "0.0.0"},
                        {"field": "script-name", "type": "script-name", "value": "podflow.py"}],
            "code": {"sha": self.sha, "url": "%s/PodFlow/data/%s/%s" % (self.root, self.sha[:2], self.sha), "metadata": "{}"},
            "step": "work", "task_id": "77", "attempt": 0, "try": 0, "max_user_code_retries": 0, "split_index": None,
            "join": False, "inputs": [["start", 1]], "parameters_task": "0", "part": "none", "num_parallel": 0,
            "node_index": 0, "control_task": "",
            "command": ["podflow.py", "--quiet", "--no-pylint", "--metadata", "local", "--datastore", "local",
                        "--datastore-root", str(self.root)],
            "configs": None, "environment": {}, "log_bytes_max": 10485760, "grace_s": 2, "lease_s": 0,
        }
        found.update(changes)
        return found

    def environment(self, spec: Dict[str, Any], **more: str) -> Dict[str, str]:
        found = {"PATH": os.environ["PATH"], "HEADRACE_AGENT_SPEC": json.dumps(spec), "HEADRACE_WORK": str(self.work),
                 "HEADRACE_TERMINATION_LOG": str(self.report_file), "METAFLOW_USER": "ann",
                 "HEADRACE_PYTHON": sys.executable, "HEADRACE_PYTHON_VERSION": sys.version}
        found.update(more)
        return found

    def start(self, code: str = "", spec: Optional[Dict[str, Any]] = None, command: Tuple[str, ...] = (), **env: str) -> Running:
        """code: what step `work` does besides."""
        spec = dict(spec or self.spec())
        spec["environment"] = dict(spec["environment"], WHAT=code)
        process = subprocess.Popen(list(command) or [engine_path(), "agent"], env=self.environment(spec, **env), cwd=self.headrace.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return Running(self, process)

    def run(self, code: str = "", spec: Optional[Dict[str, Any]] = None, command: Tuple[str, ...] = (), **env: str) -> Ended:
        return self.start(code, spec, command, **env).end()

    def stored_log(self, stream: str) -> List[str]:
        """Texts of the attempt's stored lines, whose frames name the task as their source."""
        found = []
        for line in (self.task / ("0.task_%s.log" % stream)).read_text().splitlines():
            frame, _, text = line.partition("]")
            assert frame.startswith("[MFLOG|0|") and frame.split("|")[3] == "task", line
            found.append(text)
        return found

    def local_metadata(self) -> Dict[str, bytes]:
        """What is in N.local_metadata, read with Python's own means."""
        key = json.loads((self.task / "0.local_metadata").read_text())
        blob = (self.root / "PodFlow" / "data" / key[:2] / key).read_bytes()
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob))) as archive:
            return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}  # type: ignore[union-attr]

    def unpack_metadata(self) -> None:
        for name, content in self.local_metadata().items():
            assert name.startswith(".metaflow/PodFlow/%s/work/" % self.run_id), name
            target = self.headrace.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.write_bytes(content)


def children_of(pid: int) -> List[int]:
    return [int(each) for each in Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def kill_task(running: Running) -> None:
    """SIGKILL for the task's process, as the kernel does it when memory runs out."""
    (task,) = children_of(running.process.pid)
    os.kill(task, signal.SIGKILL)
