"""The same flows on Headrace and on the real Metaflow: the same transcript, artifacts and exit codes.

Tasks print as they come, so lines are compared task by task, and the run's own lines by themselves. One worker at a time makes
task ids the same on both sides.
"""

from __future__ import annotations

import json
import re
from typing import Dict, List, Tuple

import pytest

from products import FLOWS, Product, Ran, without_noise

TASK = re.compile(r"TIME \[RUN/([a-z_0-9]+)/(\S+?)( \(pid N\))?\] ?(.*)")
# Frames of the framework differ, and so may what the interpreter adds under a source line.
FRAME = re.compile(r'^(>    )?File "[^"]*(metaflow|headrace|click|runpy)[^"]*", line \d+, in ')

READ = """
import json, sys
from metaflow import Run, namespace
namespace(None)
run = Run(sys.argv[1])
tasks = {}
for step in run:
    for task in step:
        tasks["%s/%s" % (step.id, task.id)] = {
            "artifacts": {a.id: repr(a.data) for a in task if a.id not in ("late", "problem")},
            "successful": bool(task.successful), "finished": bool(task.finished), "index": task.index,
            "stdout": [l for l in task.stdout.splitlines() if not l.startswith(">")] if task.finished else [], "exception": task.exception.type if task.exception else None,
            "parents": sorted("/".join(p.split("/")[-2:]) for p in task.parent_task_pathspecs) if task.finished else [],
        }
print(json.dumps({"tasks": tasks, "successful": run.successful, "finished": run.finished}))
"""

RUNS = [
    ("hello", ()), ("branch", ()), ("foreach", ()), ("nested", ()), ("retrying", ()), ("failing", ()), ("exiting", ()),
    ("catching", ()), ("switching", ()), ("parameters", ()),
    ("parameters", ("--alpha", "2", "--count", "3", "--flag", "True", "--words", "x", "--table", "[1]", "--late", "now")),
    ("unpicklable", ()), ("merge_conflict", ()), ("empty_foreach", ()), ("timing_out", ()), ("environment", ()),
    ("projected", ("--tag", "a", "--tag", "b")), ("failing", ("--with", "retry:times=1")), ("failing", ("--with", "catch:var=problem")),
]


def transcript(ran: Ran) -> Tuple[List[str], Dict[str, List[str]]]:
    """The run's own lines, and each task's lines by `step/task`."""
    own: List[str] = []
    tasks: Dict[str, List[str]] = {}
    source_follows = False
    for line in without_noise(ran.stdout):
        found = TASK.match(line)
        if not found:
            own.append(line)
            continue
        text = found.group(4).strip()
        if FRAME.match(text):
            source_follows = True
            continue
        if re.match(r'(>    )?File "', text):
            text = re.sub(r'File "[^"]*/', 'File "', text)
            source_follows = False
        elif source_follows and not re.match(r"(>  )?[A-Za-z_.]+(Error|Exception)?(:|$)", text):
            continue
        if set(text) <= set("^~> ") and text:
            continue
        if text.startswith("Cannot pickle dump artifact"):
            text = text.partition(" of type ")[0]  # ours goes on: the type, the step, the reason
        tasks.setdefault("%s/%s" % found.group(1, 2), []).append(text)
    return own, tasks


def errors(ran: Ran) -> List[str]:
    """stderr, with the folder's name and the order of a listing (Metaflow's is that of a set) taken out."""
    lines = [re.sub(r"\(/.*\)", "(HOME)", line) for line in without_noise(ran.stderr)]
    # Metaflow carries a click of its own, some versions older: "no such option: --x" has become "No such option '--x'.".
    lines = [re.sub(r"[':.]", "", line.lower()) if line.startswith("Error: ") else line for line in lines]
    return [", ".join(sorted(line.replace(": ", ", ").split(", "))) if "are supported" in line else line for line in lines]


@pytest.mark.parametrize("name, options", RUNS, ids=lambda value: value if isinstance(value, str) else "_".join(value).strip("-"))
def test_runs(headrace: Product, metaflow: Product, name: str, options: Tuple[str, ...]) -> None:
    flow = FLOWS / (name + ".py")
    ours = headrace.run(flow, "--max-workers", "1", *options)
    theirs = metaflow.run(flow, "--max-workers", "1", *options)
    assert ours.code == theirs.code, ours.stdout + ours.stderr
    assert transcript(ours) == transcript(theirs)
    assert errors(ours) == errors(theirs)
    class_name = re.search(r"^class (\w+)", flow.read_text(), re.M).group(1)  # type: ignore[union-attr]
    assert read(headrace, class_name, ours) == read(metaflow, class_name, theirs)


def read(product: Product, flow: str, ran: Ran) -> object:
    done = product("-c", READ, "%s/%s" % (flow, ran.run_id))
    assert done.code == 0, done.stderr
    return json.loads("".join(without_noise(done.stdout)))


COMMANDS = [
    ("no_join", ("check",)), ("no_join", ("run",)), ("unknown_step", ("run",)), ("hello", ("check",)), ("hello", ("show",)),
    ("nested", ("show",)), ("hello", ("output-dot",)), ("nested", ("output-dot",)), ("hello", ("nonsense",)),
    ("hello", ("run", "--nonsense")), ("parameters", ("run", "--count", "x")), ("hello", ("run", "--with", "nonsense")),
    ("hello", ("run", "--with", "retry:nonsense=1")), ("hello", ("run", "--with", "retry:times=9")), ("hello", ("logs", "1/start")),
    ("hello", ("dump", "1/start")), ("hello", ("resume",)), ("hello", ("logs", "x")),
]


@pytest.mark.parametrize("name, arguments", COMMANDS, ids=lambda value: value if isinstance(value, str) else "_".join(value))
def test_commands(headrace: Product, metaflow: Product, name: str, arguments: Tuple[str, ...]) -> None:
    flow = str(FLOWS / (name + ".py"))
    ours, theirs = headrace(flow, "--no-pylint", *arguments), metaflow(flow, "--no-pylint", *arguments)
    assert ours.code == theirs.code, ours.stdout + ours.stderr
    assert without_noise(ours.stdout) == without_noise(theirs.stdout)
    assert errors(ours) == errors(theirs)
