"""Commands on the real engine: resume, spin, included files and configs, and the real Metaflow beside them."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest

from cli_harness import PYTHON, Ran, environment

ENGINE = os.environ.get("HEADRACE_ENGINE", str(PYTHON.parent / "build" / "dev" / "engine" / "cli" / "headrace"))

FLOW = '''
import os
from metaflow import FlowSpec, step, Parameter, Config, IncludeFile, current, get_namespace, environment, retry

class F(FlowSpec):
    alpha = Parameter("alpha", default=1)
    cfg = Config("cfg", default_value={"a": 1})
    text = IncludeFile("text")

    @step
    def start(self):
        self.items = ["a", "b", "c"]
        print("text", self.text and len(self.text), self.cfg.a, self.alpha)
        self.next(self.work, foreach="items")

    @step
    def work(self):
        if self.input == "b" and os.environ.get("BREAK"):
            raise ValueError("broken")
        self.out = self.input * 2
        print("worked", self.out)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [i.out for i in inputs]
        self.next(self.last)

    @environment(vars={"V": "1"})
    @step
    def last(self):
        print("last", self.all, os.environ["V"], self.cfg.a, self.alpha)
        self.next(self.end)

    @step
    def end(self):
        print("origin", bool(current.origin_run_id))
        print("namespaces", current.namespace, get_namespace())

if __name__ == "__main__":
    F()
'''


KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: one, cluster: {server: "http://127.0.0.1:%d"}}]
users: [{name: one, user: {token: secret}}]
contexts: [{name: one, context: {cluster: one, user: one}}]
"""


@pytest.fixture
def engine(folder: Path) -> Callable[..., Ran]:
    """engine(*words, **environment): the flow's command with the real engine."""
    if not os.path.exists(ENGINE):
        pytest.skip("no engine at %s: build it, or set HEADRACE_ENGINE" % ENGINE)
    (folder / "flow.py").write_text(FLOW)

    def run(*words: str, **env: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "flow.py", "--no-pylint", *words], cwd=folder, env=environment(HEADRACE_ENGINE=ENGINE, **env),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120,
        )
        return Ran(done, folder / "never")

    return run


def _lines(text: str) -> List[str]:
    """Lines without times, run ids and pids."""
    text = re.sub(r"^\S+ \S+ ", "", text, flags=re.M)
    return re.sub(r"\d{16}", "RUN", re.sub(r" \(pid \d+\)", "", text)).split("\n")


def test_resume_runs_what_failed_with_the_values_of_the_origin(engine: Any, folder: Path) -> None:
    (folder / "long.txt").write_text("x" * 2000000)
    failed = engine("--config-value", "cfg", '{"a": 5}', "run", "--alpha", "7", "--text", "long.txt", BREAK="1")
    assert failed.code == 1 and "ValueError: broken" in failed.out, failed.err
    assert any(line.endswith("text 2000000 5 7") for line in failed.out.split("\n"))
    assert "    Step failure:\n    Step work" in failed.err
    resumed = engine("resume")
    assert resumed.code == 0, resumed.out + resumed.err
    assert "worked bb" in resumed.out and "worked aa" not in resumed.out
    assert "last ['aa', 'bb', 'cc'] 1 5 7" in resumed.out and "origin True" in resumed.out
    assert resumed.out.count("Cloning previously run task") == 3
    again = engine("resume", "join")
    assert again.code == 0 and again.out.count("Cloning previously run task") < 5 and "last ['aa', 'bb', 'cc']" in again.out


def test_what_resume_refuses(engine: Any, folder: Path) -> None:
    ran = engine("resume")
    assert ran.code == 1 and "A previous run id was not found. Specify --origin-run-id." in ran.err
    (folder / "flow.py").write_text(FLOW.replace('    cfg = Config("cfg", default_value={"a": 1})\n', "").replace("self.cfg.a", "1"))
    assert engine("run").code == 0
    ran = engine("resume", "nosuch")
    assert ran.code == 1 and "invalid step name nosuch specified" in ran.err
    assert "run-id 12 cannot be an integer" in engine("resume", "--run-id", "12").err
    ran = engine("resume", "--origin-run-id", "123")
    assert ran.code == 1 and "123" in ran.err and "Traceback" not in ran.err
    for origin in ("F/123", ""):
        ran = engine("resume", "--origin-run-id", origin)
        assert ran.code == 1 and "    Invalid command:\n    --origin-run-id takes the id of a run of F" in ran.err, ran.err
    assert engine("resume", "--run-id", "mine", "end").out.count("mine") > 3


def test_spin_runs_one_step_again(engine: Any, folder: Path) -> None:
    assert engine("run").code == 0
    for step, said in (("work", "worked"), ("start", "text None 1 1"), ("end", "origin False"), ("last", "last ['aa', 'bb', 'cc'] 1 1 1")):
        ran = engine("spin", step)
        assert ran.code == 0, ran.out + ran.err
        assert said in ran.out and "/%s/0" % step in ran.out
        assert "Spinning up step %s locally for flow F" % step in ran.err
    (folder / "values.py").write_text("ARTIFACTS = {'all': [1]}")
    assert "last [1] 1 1 1" in engine("spin", "last", "--artifacts-module", "values.py").out
    assert (folder / ".metaflow_spin" / "F").is_dir()


@pytest.mark.parametrize("skip", [[], ["--skip-decorators"]])
def test_spin_leaves_alone_the_decorators_of_all_steps(engine: Any, folder: Path, skip: List[str]) -> None:
    assert engine("run").code == 0
    flow = FLOW.replace("environment, retry", "batch, environment, kubernetes, timeout")
    flow = flow.replace("    @step\n    def work", "    @batch\n    @timeout(seconds=90)\n    @step\n    def work")
    (folder / "flow.py").write_text(flow.replace("    @step\n    def end", "    @kubernetes\n    @step\n    def end"))
    for step in ("work", "end"):
        ran = engine("spin", step, *skip)
        assert ran.code == 0 and "/%s/0" % step in ran.out, ran.out + ran.err


def test_what_spin_refuses(engine: Any, folder: Path) -> None:
    assert engine("run").code == 0
    for words, part in (
        (["nosuch"], "Step 'nosuch' not found in flow 'F'"),
        (["1/2/3/4/5"], "Invalid pathspec format: '1/2/3/4/5'."),
        (["G/1/start/2"], "Flow name 'G' in pathspec does not match current flow 'F'."),
        (["12/end"], "No task found for step end in run 12"),
        (["end", "--artifacts-module", "none.py"], "none.py"),
    ):
        ran = engine("spin", *words)
        assert ran.code == 1 and part in ran.err and "Traceback" not in ran.err, ran.err


def test_a_run_prints_what_metaflow_prints(engine: Any, real: Any, folder: Path) -> None:
    ours, theirs = engine("run", "--max-workers", "1"), real(FLOW, "--no-pylint", "run", "--max-workers", "1")
    assert (ours.code, theirs.code) == (0, 0), theirs.err
    assert _lines(ours.out) == _lines(theirs.out)


def test_a_failure_ends_as_metaflow_ends(engine: Any, real: Any) -> None:
    ours = engine("run", "--max-workers", "1", BREAK="1")
    theirs = real(FLOW, "--no-pylint", "run", "--max-workers", "1", BREAK="1")
    assert ours.code == theirs.code == 1
    assert ours.err.split("\n")[1:5] == theirs.err.split("\n")[1:5]
    assert _lines(ours.out)[-4:] == _lines(theirs.out)[-4:]


def test_the_namespace_of_a_run_is_for_its_client(engine: Any, real: Any) -> None:
    ours = engine("run", "--namespace", "user:bob")
    theirs = real(FLOW, "--no-pylint", "run", "--namespace", "user:bob")
    namespaces = [[line for line in ran.out.splitlines() if "namespaces user:" in line][0] for ran in (ours, theirs)]
    assert re.search(r"namespaces user:(?!bob)\w+ user:bob$", namespaces[0])
    assert namespaces[0].split("namespaces")[1] == namespaces[1].split("namespaces")[1]


def test_files_that_tell_others_about_a_run(engine: Any, folder: Path) -> None:
    import json

    ran = engine("run", "--run-id-file", "id", "--runner-attribute-file", "attributes")
    assert ran.code == 0
    run_id = (folder / "id").read_text()
    assert json.loads((folder / "attributes").read_text()) == {
        "run_id": run_id, "flow_name": "F", "metadata": "local@%s" % folder,
    }
    assert (folder / ".metaflow" / "F" / "latest_run").read_text() == run_id


def test_a_look_for_pods_can_be_interrupted(folder: Path) -> None:
    if not os.path.exists(ENGINE):
        pytest.skip("no engine at %s: build it, or set HEADRACE_ENGINE" % ENGINE)
    with socket.create_server(("127.0.0.1", 0)) as server:  # takes connections and never answers
        (folder / "kubeconfig").write_text(KUBECONFIG % server.getsockname()[1])
        asking = subprocess.Popen([ENGINE, "pods", "list", "--flow", "F", "--namespace", "default"],
                                  env=environment(KUBECONFIG=str(folder / "kubeconfig")), stderr=subprocess.PIPE)
        try:
            server.accept()
            asking.send_signal(signal.SIGINT)
            assert asking.wait(60) == -signal.SIGINT
        finally:
            asking.kill()
            asking.communicate()
