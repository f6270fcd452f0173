"""A run with its data in S3, read and gone on from on a machine that has only the bucket."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Dict, List

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from products import Product  # noqa: E402
from test_s3_data import Patient, on_s3  # noqa: E402

FLOWS = HERE.parent / "flows"
OWN = HERE / "flows"
WAIT_S = 60


class Machines:
    """`home` has run the flow; `away` has the same bucket and the flow's file, and no metadata."""

    def __init__(self, headrace: Any, metaflow: Any, s3: Dict[str, str], folder: Path) -> None:
        self.root = "%s/machines/%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), uuid.uuid4().hex)
        self._made = {name: on_s3(product, s3, self.root) for name, product in (("headrace", headrace), ("metaflow", metaflow))}
        self._folder = folder

    def at(self, machine: str, product: str = "headrace") -> Product:
        folder = self._folder / machine
        if not folder.is_dir():
            folder.mkdir(parents=True)
            for file in list(FLOWS.glob("*.py")) + list(OWN.glob("*")):
                if file.is_file():
                    shutil.copy(file, folder)
        made = self._made[product]
        # Nothing above this folder may be taken for its metadata.
        env = dict(made.env, METAFLOW_DATASTORE_SYSROOT_LOCAL=str(folder))
        return Patient(made.name, made.python, env, folder)


@pytest.fixture
def machines(headrace: Any, metaflow: Any, s3: Dict[str, str], tmp_path: Path) -> Machines:
    return Machines(headrace, metaflow, s3, tmp_path / "machines")


def ok(ran: Any) -> Any:
    assert ran.code == 0, ran.stdout + ran.stderr
    return ran


def described(machine: Product, flow: str, *runs: str) -> Any:
    return json.loads(ok(machine(str(HERE / "describe.py"), flow, *runs)).stdout)


def said(machine: Product, code: str) -> str:
    told: str = ok(machine("-c", "from metaflow import *; namespace(None)\n" + code)).stdout.strip()
    return told


def anywhere(value: Any) -> Any:
    return json.loads(re.sub(r"machines/(home|away)", "machines/ANY", json.dumps(value)))


def test_clients_and_commands_read_it(machines: Machines) -> None:
    home, away = machines.at("home"), machines.at("away")
    ran = ok(home("everything.py", "--no-pylint", "run", "--tag", "mine"))
    flow = "EverythingFlow"
    assert not (away.folder / ".metaflow").exists()
    for words in (("logs", ran.run_id + "/start"), ("dump", ran.run_id + "/start"), ("tag", "list", ran.run_id)):
        assert ok(away("everything.py", "--no-pylint", *words)).stdout == ok(home("everything.py", "--no-pylint", *words)).stdout
    assert anywhere(described(away, flow, ran.run_id)) == anywhere(described(home, flow, ran.run_id))
    # What was laid down is what Metaflow's own client reads.
    theirs = [anywhere(described(machines.at(machine, "metaflow"), flow, ran.run_id)) for machine in ("home", "away")]
    assert theirs[0] == theirs[1]
    objects = [line for line in said(away, "with S3(s3root='%s/%s/%s/_headrace') as s3:\n  for o in s3.list_recursive(): print(o.key)"
                                     % (machines.root, flow, ran.run_id)).splitlines()]
    assert 2 <= len(objects) <= 4 and objects[0] == "records-000000.tgz"


def test_lists_find_runs_and_flows(machines: Machines) -> None:
    home, away = machines.at("home"), machines.at("away")
    runs = [ok(home("hello.py", "--no-pylint", "run")).run_id for _ in range(2)]
    assert said(away, "print([f.id for f in Metaflow()])") == "['HelloFlow']"
    assert said(away, "print([r.id for r in Flow('HelloFlow')])") == str(runs[::-1])
    assert said(away, "print(Flow('HelloFlow').latest_successful_run.id)") == runs[1]
    elsewhere = machines.at("elsewhere")
    assert said(elsewhere, "print('%s' in Flow('HelloFlow'), 'none' in Flow('HelloFlow'))" % runs[0]) == "True False"
    assert "user:ann" in ok(machines.at("fourth")("hello.py", "tag", "list", "--all", "--flat")).stderr


def test_it_is_resumed_elsewhere(machines: Machines) -> None:
    home, away = machines.at("home"), machines.at("away")
    broken = home("broken_once.py", "--no-pylint", "run", "--alpha", "2")
    assert broken.code == 1
    resumed = ok(away("broken_once.py", "--no-pylint", "resume", "--origin-run-id", broken.run_id, env={"BROKEN": "0"}))
    assert "work on b" in resumed.stdout and "work on a" not in resumed.stdout
    told = said(away, "r = Run('BrokenFlow/%s'); print(r.origin_pathspec, r.successful)" % resumed.run_id)
    assert told == "BrokenFlow/%s True" % broken.run_id
    # And back: the first machine finds what the second has made.
    assert said(home, "print(Run('BrokenFlow/%s').successful)" % resumed.run_id) == "True"


def test_tags_go_both_ways(machines: Machines) -> None:
    home, away = machines.at("home"), machines.at("away")
    run = ok(home("hello.py", "--no-pylint", "run", "--tag", "first")).run_id
    path = "Run('HelloFlow/%s')" % run
    ok(away("hello.py", "tag", "add", "--run-id", run, "away"))
    said(home, "%s.replace_tags(['first'], ['home'])" % path)
    assert said(home, "print(sorted(%s.user_tags))" % path) == "['away', 'home']"
    assert said(away, "print(sorted(%s.user_tags))" % path) == "['away', 'home']"
    assert said(machines.at("third"), "print([sorted(r.user_tags) for r in Flow('HelloFlow').runs('away')])") == "[['away', 'home']]"


WAITING = """
import os, time
from metaflow import FlowSpec, step
class WaitingFlow(FlowSpec):
    @step
    def start(self):
        self.x = 1
        print("begun")
        self.next(self.work)
    @step
    def work(self):
        while os.environ.get("WAIT"):
            time.sleep(0.05)
        self.next(self.end)
    @step
    def end(self):
        print("x is", self.x)
if __name__ == "__main__":
    WaitingFlow()
"""


def tasks_of_start(machine: Product, run: str) -> List[str]:
    return json.loads(said(machine, "import json; print(json.dumps([t.id for t in Run('WaitingFlow/%s')['start'] if t.finished] "
                                    "if 'start' in Run('WaitingFlow/%s') else []))" % (run, run)))  # type: ignore[no-any-return]


def test_a_run_that_goes_on_and_is_killed(machines: Machines) -> None:
    home, away = machines.at("home"), machines.at("away")
    for machine in (home, away):
        (machine.folder / "waiting.py").write_text(WAITING)
    running = subprocess.Popen([home.python, "waiting.py", "--no-pylint", "run", "--run-id-file", "id"], cwd=home.folder,
                               env={**home.env, "WAIT": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert running.stdout is not None
        seen = ""
        while "/work/" not in seen:  # its line comes when `start` is over
            line = running.stdout.readline()
            assert line, seen
            seen += line
        run = (home.folder / "id").read_text()
        assert said(away, "print(Run('WaitingFlow/%s').finished)" % run) == "False"
        until = time.monotonic() + WAIT_S
        while not tasks_of_start(away, run):  # each time what is new is fetched
            assert time.monotonic() < until
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert said(away, "r = Run('WaitingFlow/%s'); print(r.finished, r.successful, r['start'].task.data.x)" % run) == "False False 1"
    assert "begun" in ok(away("waiting.py", "--no-pylint", "logs", run + "/start")).stdout
    resumed = ok(away("waiting.py", "--no-pylint", "resume", "--origin-run-id", run))
    assert "x is 1" in resumed.stdout and "Cloning previously run task %s/start" % run in resumed.stdout
    assert said(home, "print(Run('WaitingFlow/%s').successful)" % resumed.run_id) == "True"


def test_the_bucket_that_cannot_be_reached_is_named(machines: Machines) -> None:
    away = machines.at("away")
    env = {"METAFLOW_DATASTORE_SYSROOT_S3": "s3://there-is-no-such-bucket-here/x"}
    asked = away("-c", "from metaflow import *; namespace(None); Run('HelloFlow/1')", env=env)
    assert asked.code == 1 and "there-is-no-such-bucket-here" in asked.stderr
    # Runs that are here need no bucket, nor do those of a local datastore.
    local = {"METAFLOW_DEFAULT_DATASTORE": "local"}
    run = ok(away("hello.py", "--no-pylint", "run", env={**env, **local})).run_id
    told = ok(away("-c", "from metaflow import *; namespace(None); print(Run('HelloFlow/%s').successful)" % run, env=env))
    assert told.stdout.strip() == "True"
    assert away("hello.py", "--no-pylint", "logs", "1/start", env={**env, **local}).code == 1
