"""Flows generated over {step body x graph shape}, run by both products: same artifacts, order, exit codes and errors.

Headrace runs all of them with their data in S3 as well, which must make no difference. One worker at a time makes the order of tasks,
and so their ids, the same on both sides. Beside Metaflow all pairs are run with HEADRACE_MATRIX=all; by default each shape meets one
body, and each body some shapes.
"""

from __future__ import annotations

import json
import os
import re
import sys
import uuid
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

HERE = Path(__file__).resolve().parent
INTERCHANGE = HERE.parent / "interchange"
sys.path[:0] = [str(HERE), str(INTERCHANGE)]

from essence import essence, without_other_nodes  # noqa: E402
from shapes import BODIES, SHAPES, flow_of, pairs, source  # noqa: E402

_PREFIX = re.compile(r"^\S+ \S+ (?:\[[^/]+/([^ \]]+)(?: \(pid \d+\))?\] ?)?(.*)$")


def lines_of(stdout: str) -> Dict[str, List[str]]:
    """The lines of each task, sorted since stdout and stderr race, and the run's own; of a traceback only both ends."""
    found: Dict[str, List[str]] = {}
    inside = ""
    for line in stdout.splitlines():
        match = _PREFIX.match(line)
        assert match, line
        task, text = match.group(1) or "", re.sub(r"\d{16}", "RUN", match.group(2)).strip()
        if inside and task == inside and not re.match(r"^[A-Za-z_.]+(Error|Exception|Exit|Interrupt)\b", text):
            continue
        if re.match(r"^\[[\w, ]+\]\.$", text):  # artifacts that conflict, as inputs bring them, again and again
            text = ", ".join(sorted(set(text.strip("[].").split(", "))))
        inside = task if text.startswith("Traceback (most recent call last)") else ""
        found.setdefault(task, []).append(text)
    return {task: sorted(lines) if task else lines for task, lines in found.items()}


def order_of(run: Any) -> List[Tuple[int, str, Any]]:
    """(task id, step, index) of each task whose id is a number, by id."""
    return sorted(
        (int(task), step, told["latest"]["index"])
        for step, tasks in run["steps"].items()
        for task, told in tasks["tasks"].items()
        if task.isdigit()
    )


def error_of(stderr: str) -> List[str]:
    """The error block: a failed step word for word; of other errors the headline, since Headrace has its own words."""
    lines = [line for line in stderr.splitlines()[1:] if not line.startswith("Creating local datastore")]
    for number, line in enumerate(lines):
        if line.startswith("    ") and line.endswith(":"):
            return lines if line == "    Step failure:" else lines[: number + 1]
    return lines


def assert_alike(runs: List[Any], told: List[Any]) -> None:
    """Two runs of one flow, and what describe.py tells of each."""
    ours, theirs = runs
    assert ours.code == theirs.code, ours.stdout + ours.stderr
    assert order_of(told[0]) == order_of(told[1])
    assert essence(told[0]) == essence(told[1])
    assert lines_of(ours.stdout) == lines_of(theirs.stdout)
    assert error_of(ours.stderr) == error_of(theirs.stderr)


@pytest.mark.parametrize("shape, body", pairs(os.environ.get("HEADRACE_MATRIX") == "all"))
def test_both_do_the_same(headrace: Any, metaflow: Any, shape: str, body: str) -> None:
    runs, told = [], []
    for product in (headrace, metaflow):
        flow = product.folder / ("%s_%s.py" % (shape, body))
        flow.write_text(source(shape, body))
        runs.append(product(flow.name, "--no-pylint", "run", "--max-workers", "1"))
        described = metaflow.__class__("reader", metaflow.python, metaflow.env, product.folder)(
            str(INTERCHANGE / "describe.py"), flow_of(shape, body)
        )
        assert described.code == 0, described.stderr + runs[-1].stdout + runs[-1].stderr
        (run,) = json.loads(described.stdout)["runs"].values()
        told.append(without_other_nodes(run) if (shape, runs[-1].code) == ("parallel", 1) else run)
    assert_alike(runs, told)


#: When the first node of a parallel step ends early, whether the others have printed by then is chance.
BY_CHANCE = (("parallel", "exit"), ("parallel", "fail"))


@pytest.mark.parametrize("shape, body", [pair for pair in pairs(True) if pair not in BY_CHANCE])
def test_s3_holds_what_a_directory_holds(headrace: Any, s3: Dict[str, str], shape: str, body: str) -> None:
    (headrace.folder / "flow.py").write_text(source(shape, body))
    root = "%s/matrix/%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), uuid.uuid4().hex)
    runs, told = [], []
    for datastore, env in (("local", {}), ("s3", {**s3, "METAFLOW_DATASTORE_SYSROOT_S3": root})):
        runs.append(headrace("flow.py", "--no-pylint", "--datastore", datastore, "run", "--max-workers", "1", env=env))
        described = headrace(str(INTERCHANGE / "describe.py"), flow_of(shape, body), runs[-1].run_id, env=env)
        assert described.code == 0, described.stderr + runs[-1].stdout + runs[-1].stderr
        (run,) = json.loads(described.stdout)["runs"].values()
        told.append(without_other_nodes(run) if (shape, runs[-1].code) == ("parallel", 1) else run)
    assert not list(headrace.folder.glob(".metaflow/*/%s/*/*/0.data.json" % runs[1].run_id))
    assert_alike(runs, told)


def test_every_shape_and_body_is_met() -> None:
    chosen = pairs(False)
    assert {shape for shape, _ in chosen} == set(SHAPES) and {body for _, body in chosen} == set(BODIES)
    assert set(chosen) <= set(pairs(True))
    text = "".join(source(shape, body) for shape, body in chosen)
    assert all("    %s\n" % decorator in text for body in BODIES.values() for decorator in body.decorators)
