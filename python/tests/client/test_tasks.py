"""Metadata, logs and neighbours of tasks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, List

import pytest

LINE = "[MFLOG|0|2026-01-02T03:04:0%d.678901Z|%s|id]%s\n"

NESTED = {
    "start": {"type": "split-foreach", "next": ["inner"], "matching_join": "outer_join"},
    "inner": {"type": "split-foreach", "next": ["work"], "matching_join": "inner_join"},
    "work": {"type": "linear", "next": ["inner_join"]},
    "inner_join": {"type": "join", "next": ["outer_join"]},
    "outer_join": {"type": "join", "next": ["split"]},
    "split": {"type": "split-static", "next": ["left", "right"], "matching_join": "static_join"},
    "left": {"type": "linear", "next": ["static_join"]},
    "right": {"type": "linear", "next": ["static_join"]},
    "static_join": {"type": "join", "next": ["end"]},
    "end": {"type": "end", "next": []},
}


@pytest.fixture
def nested(directory: Any, client: Any) -> Any:
    """start over 11 items, each of them over 2: index 1 and 10 begin with the same text."""
    directory.run("1", steps=NESTED)
    number = iter(range(1, 1000))

    def task(step: str, path: str = "") -> str:
        return directory.task("1", step, str(next(number)), metadata={"foreach-execution-path": path} if path else {})[3]

    task("start")
    for outer in range(11):
        task("inner", "start:%d" % outer)
    for outer in range(11):
        for inner in range(2):
            task("work", "start:%d,inner:%d" % (outer, inner))
    for outer in range(11):
        task("inner_join", "start:%d" % outer)
    for step in ("outer_join", "split", "left", "right", "static_join", "end"):
        task(step)
    return client.Run("HandFlow/1")


def at(step: Any, path: str) -> Any:
    return [task for task in step if task.metadata_dict.get("foreach-execution-path") == path][0]


def names(tasks: Any) -> List[str]:
    return sorted("%s %s" % (t.path_components[2], t.metadata_dict.get("foreach-execution-path", "-")) for t in tasks)


def test_neighbours_in_nested_foreaches(nested: Any) -> None:
    assert names(nested["start"].task.parent_tasks) == []
    assert len(names(nested["start"].task.child_tasks)) == 11
    inner = at(nested["inner"], "start:1")
    assert names(inner.parent_tasks) == ["start -"]
    assert names(inner.child_tasks) == ["work start:1,inner:0", "work start:1,inner:1"]
    work = at(nested["work"], "start:10,inner:1")
    assert names(work.parent_tasks) == ["inner start:10"]
    assert names(work.child_tasks) == ["inner_join start:10"]
    join = at(nested["inner_join"], "start:1")
    assert names(join.parent_tasks) == ["work start:1,inner:0", "work start:1,inner:1"]
    assert names(join.child_tasks) == ["outer_join -"]
    assert len(names(nested["outer_join"].task.parent_tasks)) == 11


def test_neighbours_of_branches(nested: Any) -> None:
    assert names(nested["split"].task.child_tasks) == ["left -", "right -"]
    assert names(nested["static_join"].task.parent_tasks) == ["left -", "right -"]
    assert [step.id for step in nested["static_join"].parent_steps] == ["left", "right"]
    assert [step.id for step in nested["split"].child_steps] == ["left", "right"]
    assert list(nested["end"].child_steps) == [] and list(nested["start"].parent_steps) == []
    assert list(nested["end"].task.child_tasks) == []


def test_a_join_of_a_switch_inside_a_foreach(directory: Any, client: Any) -> None:
    steps = {
        "start": {"type": "split-foreach", "next": ["choose"], "matching_join": "join"},
        "choose": {"type": "split-switch", "next": ["a", "b"]},
        "a": {"type": "linear", "next": ["join"]},
        "b": {"type": "linear", "next": ["join"]},
        "join": {"type": "join", "next": ["end"]},
        "end": {"type": "end", "next": []},
    }
    directory.run("1", steps=steps)
    directory.task("1", "a", "1", metadata={"foreach-execution-path": "start:0"})
    directory.task("1", "b", "2", metadata={"foreach-execution-path": "start:1"})
    directory.task("1", "join", "3")
    assert names(client.Task("HandFlow/1/join/3").parent_tasks) == ["a start:0", "b start:1"]


def test_the_newest_value_of_each_name(directory: Any, client: Any) -> None:
    directory.run("1")
    path = directory.task("1", "start", "1")
    directory.metadata(path, "note", "a")
    directory.metadata(path, "note", "b", attempt=1)
    task = client.Task("/".join(path))
    notes = [record for record in task.metadata if record.name == "note"]
    assert [record.value for record in notes] == ["a", "b"]
    assert notes[0].task is task and notes[0].type == "note" and isinstance(notes[0].created_at, int)
    assert task.metadata_dict["note"] == "b"
    assert client.Task("/".join(path), attempt=0).metadata_dict["note"] == "a"


def test_metadata_without_attempts_is_split_by_time(directory: Any, client: Any) -> None:
    from headrace.client.provider import records_of_attempt

    records = [
        {"field_name": name, "value": value, "ts_epoch": time}
        for time, (name, value) in enumerate([("attempt", "0"), ("n", "a"), ("attempt", "1"), ("n", "b")])
    ]
    assert [r["value"] for r in records_of_attempt(records, 0)] == ["0", "a"]
    assert [r["value"] for r in records_of_attempt(records, 1)] == ["1", "b"]
    assert records_of_attempt(records, 2) == []


def test_a_cloned_task_shows_what_its_origin_has(directory: Any, client: Any) -> None:
    directory.run("1", steps={"start": {"type": "start", "next": []}})
    directory.task("1", "start", "7", metadata={"foreach-execution-path": "s:1", "attempt": "0"},
                   logs={"stdout": [LINE % (5, "runtime", "hello")]})
    directory.run("2", steps={"start": {"type": "start", "next": []}})
    directory.task("2", "start", "1", started=False,
                   metadata={"origin-run-id": "1", "origin-task-id": "7", "attempt": "0", "attempt_ok": "True"})
    task = client.Task("HandFlow/2/start/1")
    assert task.metadata_dict["ds-root"] == str(directory.root)
    assert task.metadata_dict["foreach-execution-path"] == "s:1"
    assert (task.origin_pathspec, task.parent.origin_pathspec) == ("HandFlow/1/start/7", "HandFlow/1/start")
    assert client.Run("HandFlow/2").origin_pathspec == "HandFlow/1"


def test_an_executed_task_of_a_resumed_run_has_no_origin(directory: Any, client: Any) -> None:
    directory.run("2")
    directory.task("2", "start", "1", metadata={"origin-run-id": "1"})
    assert client.Task("HandFlow/2/start/1").origin_pathspec is None
    assert client.Run("HandFlow/2").origin_pathspec == "HandFlow/1"


def test_logs(directory: Any, client: Any) -> None:
    directory.run("1")
    out = [LINE % (5, "runtime", "one"), LINE % (6, "runtime", "zwei \u00e4")]
    path = directory.task("1", "start", "1", logs={"stdout": out, "stderr": []})
    (directory.root.joinpath(*path) / "0.task_stdout.log").write_text(LINE % (4, "task", "first"))
    task = client.Task("/".join(path))
    assert task.stdout == "first\none\nzwei \u00e4\n" and task.stderr == ""
    assert list(task.loglines("stdout"))[1] == (datetime(2026, 1, 2, 3, 4, 5, 678901), "one")
    assert list(task.loglines("stdout", as_unicode=False))[0][1] == b"first"
    assert task.stdout_size == len("".join(out).encode()) + len(LINE % (4, "task", "first"))
    assert task.stderr_size == 0


def test_logs_of_attempts(directory: Any, client: Any) -> None:
    directory.run("1")
    for attempt in (0, 1):
        directory.task("1", "start", "1", attempt, logs={"stdout": [LINE % (attempt, "runtime", "try %d" % attempt)]})
    assert client.Task("HandFlow/1/start/1").stdout == "try 1\n"
    assert client.Task("HandFlow/1/start/1", attempt=0).stdout == "try 0\n"


def test_a_task_that_noted_nothing_has_one_empty_line(directory: Any, client: Any) -> None:
    directory.run("1")
    task = client.Task("HandFlow/1/_parameters/0")
    assert task.stdout == "\n" and task.stdout_size == 0 and list(task.loglines("stdout")) == [(None, "")]


def test_control_tasks(directory: Any, client: Any) -> None:
    directory.run("1")
    directory.task("1", "train", "1", metadata={"internal_task_type": "control_task"})
    directory.task("1", "train", "1_node_1")
    step = client.Step("HandFlow/1/train")
    assert step.control_task.id == "1" and [t.id for t in step.control_tasks()] == ["1"]
    assert step.task.id == "1_node_1" and step.task.runtime_name == "dev"


def test_triggers(directory: Any, client: Any) -> None:
    directory.run("1", steps={"start": {"type": "start", "next": []}})
    events = '[{"name": "a", "id": "1", "timestamp": 100, "type": "event"}, {"name": "b", "id": "2", "timestamp": 200, "type": "event"}]'
    directory.task("1", "start", "1", metadata={"execution-triggers": events})
    trigger = client.Run("HandFlow/1").trigger
    assert (trigger.event.name, [e.name for e in trigger.events], trigger.run, trigger.runs) == ("b", ["b", "a"], None, None)
    assert trigger["a"].timestamp == datetime.fromtimestamp(100) and "a" in trigger and "z" not in trigger
    of_run = client.events.Trigger.from_runs([client.Run("HandFlow/1")])
    assert of_run.events is None
