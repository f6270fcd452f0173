"""Decorators on the real engine: one flow with most of them, then what is stored. Needs an engine (HEADRACE_ENGINE)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest

from headrace.engine import engine_path
from headrace.errors import EngineMissing

PYTHON = Path(__file__).resolve().parents[2]

FLOW = '''
import os, signal
from metaflow import FlowSpec, card, catch, current, environment, exit_hook, parallel, project, retry, secrets, step
from metaflow import user_step_decorator
from metaflow.cards import Markdown, ProgressBar

@user_step_decorator
def fan(step_name, flow, inputs):
    flow.items = ["ok", "killed", "raises"]
    yield {"foreach": "items"}

def hook(run):
    print("hook sees %s successful=%s" % (run.pathspec.split("/")[0], run.successful))

@exit_hook(on_success=[hook])
@project(name="p")
class Decorated(FlowSpec):
    @environment(vars={"HR_STEP": "start"})
    @secrets(sources=[{"type": "inline", "id": "s", "options": {"env_vars": {"HR_SECRET": "s"}}}])
    @fan
    @step
    def start(self):
        self.next(self.work, foreach="items")

    @retry(times=1)
    @catch(var="failed", print_exception=False)
    @card(type="blank", id="c", refresh_interval=0)
    @step
    def work(self):
        bar = ProgressBar(max=2)
        current.card["c"].append(Markdown("item **%s**" % self.input))
        current.card.append(bar)
        bar.update(1)
        current.card.refresh()
        if self.input == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.input == "raises":
            raise ValueError("attempt %d" % current.retry_count)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.failures = [type(each.failed).__name__ if each.failed is None else each.failed.type for each in inputs]
        self.next(self.wide)

    @step
    def wide(self):
        self.next(self.nodes, num_parallel=2)

    @parallel
    @step
    def nodes(self):
        self.node = current.parallel.node_index
        self.next(self.end_of_nodes)

    @step
    def end_of_nodes(self, inputs):
        self.nodes_seen = sorted(each.node for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        self.branch = current.branch_name
        self.leaked = [name for name in ("HR_STEP", "HR_SECRET") if name in os.environ]

if __name__ == "__main__":
    Decorated()
'''

LOOK = '''
import json
from metaflow import Flow
from metaflow.cards import get_cards
run = Flow("Decorated").latest_run
cards = {}
for task in run["work"]:
    cards[task.index] = [(card.type, card.id, "item <strong>" in card.get()) for card in get_cards(task)]
print(json.dumps({
    "failures": run["join"].task.data.failures, "nodes": run.data.nodes_seen, "branch": run.data.branch,
    "leaked": run.data.leaked, "tags": sorted(run.system_tags), "cards": cards,
    "control": run["nodes"].control_task.metadata_dict["parallel-world-size"],
}))
'''


def engine() -> str:
    try:
        return engine_path()
    except EngineMissing:
        pytest.skip("there is no engine: build it and set HEADRACE_ENGINE")


@pytest.fixture(scope="module")
def done(tmp_path_factory: Any) -> Dict[str, Any]:
    folder = tmp_path_factory.mktemp("decorated")
    env = dict(os.environ, HEADRACE_ENGINE=engine(), METAFLOW_USER="ann", PYTHONPATH=str(PYTHON), HOME=str(folder))
    (folder / "flow.py").write_text(FLOW)

    def python(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, *words], cwd=folder, env=env, capture_output=True, text=True, timeout=300)

    run = python("flow.py", "run")
    assert run.returncode == 0, run.stdout + run.stderr
    look = python("-c", LOOK)
    assert look.returncode == 0, look.stderr
    return dict(json.loads(look.stdout), out=run.stdout, err=run.stderr)


def test_catch_holds_what_happened_after_all_attempts(done: Any) -> None:
    assert done["failures"] == [
        "NoneType", "metaflow.plugins.catch_decorator.FailureHandledByCatch", "builtins.ValueError",
    ]
    assert "Task is starting (retry)." in done["out"]
    assert "Task fallback is starting to handle the failure." in done["out"]


def test_cards_are_stored_of_tasks_that_ended_well(done: Any) -> None:
    # Attempts that failed may have left the pages of their `refresh`; the stub after a killed process has no components.
    assert done["cards"]["0"] == [["blank", "c", True]]
    assert ["blank", "c", False] in done["cards"]["1"]
    assert ["blank", "c", True] in done["cards"]["2"] and ["blank", "c", False] not in done["cards"]["2"]


def test_parallel_project_and_variables(done: Any) -> None:
    assert done["nodes"] == [0, 1] and int(done["control"]) == 2
    assert done["branch"] == "user.ann" and {"project:p", "project_branch:user.ann"} <= set(done["tags"])
    assert "Project: p, Branch: user.ann" in done["err"]
    assert done["leaked"] == []


def test_exit_hooks_run_before_the_last_line(done: Any) -> None:
    lines = done["out"].splitlines()
    assert lines[-2] == "hook sees Decorated successful=True" and lines[-1].endswith("Done!")
