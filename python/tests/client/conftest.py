"""A datastore written by hand, as `datastore.md` describes it, and the client on a store process that reads it."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

SYSTEM_TAGS = ["user:ann", "runtime:dev", "python_version:3.11.7", "metaflow_version:2.19.38"]


class Directory:
    """Writes a `.metaflow`. Every record is one millisecond younger than the one before."""

    def __init__(self, parent: Path, flow: str = "HandFlow") -> None:
        self.parent = parent
        self.root = parent / ".metaflow"
        self.root.mkdir()
        self.flow = flow
        self._ms = 1_700_000_000_000

    def _now(self) -> int:
        self._ms += 1
        return self._ms

    def _write(self, path: Path, content: Any) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))

    def _self(self, names: Sequence[str], tags: Sequence[str] = (), system_tags: Sequence[str] = ()) -> None:
        file = self.root.joinpath(*names, "_meta", "_self.json")
        if file.exists():
            return
        record: Dict[str, Any] = {"flow_id": names[0], "ts_epoch": self._now()}
        record.update(zip(("run_number", "step_name", "task_id"), names[1:]))
        if len(names) > 1:
            record.update(user_name="ann", tags=list(tags), system_tags=list(system_tags))
        self._write(file, record)

    def run(self, run: str, tags: Sequence[str] = (), user: str = "ann", steps: Optional[Dict[str, Any]] = None,
            ends: Sequence[str] = ("start", "end")) -> None:
        """A run that has its `_parameters`. steps: of `_graph_info`."""
        self._self([self.flow])
        self._self([self.flow, run], tags, ["user:" + user] + SYSTEM_TAGS[1:])
        self.graph = {"steps": steps or {}, "start_step": ends[0], "end_step": ends[1]}
        self.task(run, "_parameters", "0", metadata={"start_step": ends[0], "end_step": ends[1]}, started=False)

    def task(self, run: str, step: str, task: str, attempt: int = 0, artifacts: Dict[str, Any] = {}, ok: bool = True,
             done: bool = True, metadata: Dict[str, Any] = {}, logs: Dict[str, List[str]] = {}, started: bool = True) -> List[str]:
        """One attempt of a task; its path. started: it notes where its data is."""
        path = [self.flow, run, step, task]
        self._self(path[:3])
        self._self(path)
        fields = {"attempt": str(attempt), "origin-run-id": "None"} if started else {}
        if started:
            fields.update({"ds-type": "local", "ds-root": str(self.root), "attempt_ok": str(ok)})
        if done:
            fields["attempt-done"] = str(attempt)
        fields.update(metadata)
        if done:
            values = {"_graph_info": self.graph, "_task_ok": ok, "_success": ok, "name": self.flow, **artifacts}
            self._artifacts(path, attempt, values)
        for name, value in fields.items():
            self.metadata(path, name, value, attempt)
        self._files(path, attempt, done, logs)
        return path

    def metadata(self, path: List[str], name: str, value: Any, attempt: int = 0) -> None:
        now = self._now()
        record = dict(zip(("flow_id", "run_number", "step_name", "task_id"), path), field_name=name, type=name,
                      value=value, tags=["attempt_id:%d" % attempt], user_name="ann", ts_epoch=now)
        self._write(self.root.joinpath(*path, "_meta", "sysmeta_%s_%d.json" % (name, now)), record)

    def _artifacts(self, path: List[str], attempt: int, values: Dict[str, Any]) -> None:
        objects, info = {}, {}
        for name, value in values.items():
            data = pickle.dumps(value, 4)
            key = objects[name] = hashlib.sha1(data).hexdigest()
            info[name] = {"size": len(data), "type": str(type(value)), "encoding": "pickle-v4"}
            blob = self.blob(key)
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(gzip.compress(data, 3))
            self._write(blob.with_name(key + "_meta"), {"cas_raw": False, "cas_version": 1})
            record = dict(zip(("flow_id", "run_number", "step_name", "task_id"), path), attempt_id=attempt, name=name,
                          content_type="pickle-v4", type="metaflow.artifact", sha=key, ds_type="local",
                          location=":root:%s" % self.root, user_name="ann", tags=[], system_tags=[], ts_epoch=self._now())
            self._write(self.root.joinpath(*path, "_meta", "%d_artifact_%s.json" % (attempt, name)), record)
        manifest = {"datastore": "local", "version": "1.0", "attempt": attempt, "objects": objects, "info": info}
        self._write(self.root.joinpath(*path, "%d.data.json" % attempt), manifest)

    def blob(self, key: str) -> Path:
        return self.root / self.flow / "data" / key[:2] / key

    def _files(self, path: List[str], attempt: int, done: bool, logs: Dict[str, List[str]]) -> None:
        here = self.root.joinpath(*path)
        self._write(here / ("%d.attempt.json" % attempt), {"time": 1.0})
        if done:
            self._write(here / ("%d.DONE.lock" % attempt), "")
        for stream, lines in logs.items():
            (here / ("%d.runtime_%s.log" % (attempt, stream))).write_text("".join(lines))


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


@pytest.fixture(autouse=True)
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`metaflow`, as user ann in a folder of its own, with a store process of its own."""
    from headrace import channel, settings
    from headrace.client import state
    from headrace.engine import StoreDoor

    import metaflow

    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("METAFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("METAFLOW_USER", "ann")
    monkeypatch.setenv("METAFLOW_HOME", str(tmp_path / "no-config"))
    monkeypatch.setenv("HEADRACE_ENGINE", os.environ.get("HEADRACE_TEST_STORE", str(HERE / "fake_store.py")))
    monkeypatch.setattr(state, "current_namespace", False)
    monkeypatch.setattr(state, "current_metadata", False)
    monkeypatch.setattr(settings, "DATASTORE_SYSROOT_LOCAL", None, raising=False)
    door = StoreDoor()
    store = channel.Channel(door.get)
    monkeypatch.setattr(channel, "_store", store)
    yield metaflow
    store.close()
    door.get().close()
