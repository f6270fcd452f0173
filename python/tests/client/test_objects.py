"""The objects: what they say of a datastore, and how they refuse."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import pytest

LINEAR = {
    "start": {"type": "start", "next": ["end"]},
    "end": {"type": "end", "next": []},
}


@pytest.fixture
def run(directory: Any, client: Any) -> Any:
    directory.run("1", tags=["first"], steps=LINEAR)
    directory.task("1", "start", "1", artifacts={"x": 5, "_hidden": "h"})
    directory.task("1", "end", "2", artifacts={"x": 6, "y": [1]})
    return client.Run("HandFlow/1")


def test_children_come_newest_first_without_the_hidden(run: Any) -> None:
    assert [step.id for step in run] == ["end", "start"]
    assert run["_parameters"].id == "_parameters"
    assert sorted(artifact.id for artifact in run["start"].task) == ["name", "x"]
    assert run["start"].task["_hidden"].data == "h"


def test_a_run_shows_its_last_step(run: Any) -> None:
    assert run.end_task.pathspec == "HandFlow/1/end/2"
    assert (run.successful, run.finished) == (True, True)
    assert run.data.x == 6 and "y" in run.data and "z" not in run.data
    assert str(run.data).startswith("<MetaflowData: ")
    assert run.finished_at == run.end_task["_task_ok"].created_at
    assert isinstance(run.created_at, datetime) and run.created_at.tzinfo is None
    assert run.code is None and run.trigger is None


def test_an_end_step_of_another_name(directory: Any, client: Any) -> None:
    directory.run("1", steps={"a": {"type": "start", "next": ["z"]}, "z": {"type": "end", "next": []}}, ends=("a", "z"))
    directory.task("1", "z", "1", artifacts={"x": 1})
    assert client.Run("HandFlow/1").data.x == 1


def test_a_run_without_its_last_step_is_not_finished(directory: Any, client: Any) -> None:
    directory.run("1", steps=LINEAR)
    directory.task("1", "start", "1")
    run = client.Run("HandFlow/1")
    assert (run.successful, run.finished, run.finished_at, run.data, run.end_task) == (False, False, None, None, None)


def test_an_unfinished_task_has_metadata_and_no_artifacts(directory: Any, client: Any) -> None:
    directory.run("1", steps=LINEAR)
    directory.task("1", "start", "1", done=False)
    task = client.Task("HandFlow/1/start/1")
    assert list(task) == [] and (task.successful, task.finished, task.finished_at, task.index) == (False, False, None, None)
    assert task.metadata_dict["attempt"] == "0"
    assert client.Step("HandFlow/1/start").finished_at is None


def test_members_of_an_artifact(run: Any, client: Any) -> None:
    artifact = client.DataArtifact("HandFlow/1/start/1/x")
    assert (artifact.data, artifact.size, artifact.finished_at) == (5, len(pickle.dumps(5, 4)), artifact.created_at)
    assert len(artifact.sha) == 40 and artifact.parent.pathspec == "HandFlow/1/start/1"
    assert run["start"].task.artifacts.x.data == 5


def test_names_that_do_not_exist(run: Any, client: Any) -> None:
    with pytest.raises(KeyError, match="zz"):
        run["zz"]
    with pytest.raises(AttributeError, match="zz"):
        run.data.zz
    with pytest.raises(client.exception.MetaflowNotFound) as missing:
        client.Run("HandFlow/7")
    assert str(missing.value) == "Run('HandFlow/7') does not exist"
    assert "start" in run and "zz" not in run


@pytest.mark.parametrize(
    "cls, pathspec, form",
    [
        ("Flow", "F/1", "Flow('FlowName')"),
        ("Run", "F", "Run('FlowName/RunID')"),
        ("Step", "F/1", "Step('FlowName/RunID/StepName')"),
        ("Task", "F/1/s", "Task('FlowName/RunID/StepName/TaskID')"),
        ("DataArtifact", "F/1/s/2", "DataArtifact('FlowName/RunID/StepName/TaskID/ArtifactName')"),
    ],
)
def test_paths_of_the_wrong_length(client: Any, cls: str, pathspec: str, form: str, directory: Any) -> None:
    with pytest.raises(client.exception.MetaflowInvalidPathspec) as wrong:
        getattr(client, cls)(pathspec)
    assert str(wrong.value) == "Expects " + form


@pytest.mark.parametrize(
    "attempt, text",
    [("x", "only be an integer"), (-1, "non-negative"), (6, "smaller than 6")],
)
def test_attempts_that_cannot_be(run: Any, client: Any, attempt: Any, text: str) -> None:
    with pytest.raises(client.exception.MetaflowNotFound, match=text):
        client.Task("HandFlow/1/start/1", attempt=attempt)


def test_only_tasks_and_artifacts_have_attempts(run: Any, client: Any) -> None:
    with pytest.raises(client.exception.MetaflowNotFound, match="only be specified for Task or DataArtifact"):
        client.Run("HandFlow/1", attempt=0)


def test_an_attempt_shows_what_it_left(directory: Any, client: Any) -> None:
    directory.run("1", steps=LINEAR)
    wrapper = client.exception.MetaflowExceptionWrapper(ValueError("no"))
    directory.task("1", "start", "1", 0, {"_exception": wrapper}, ok=False)
    directory.task("1", "start", "1", 1, {"x": 2, "_exception": None})
    first, second = (client.Task("HandFlow/1/start/1", attempt=number) for number in (0, 1))
    assert str(first) == "Task('HandFlow/1/start/1', attempt=0)"
    assert (first.successful, first.exception.type, "x" in first) == (False, "builtins.ValueError", False)
    assert (second.successful, second.exception, second.data.x) == (True, None, 2)
    assert first.metadata_dict["attempt_ok"] == "False"
    latest = client.Task("HandFlow/1/start/1")
    assert (latest.successful, latest.current_attempt, latest["x"].parent.pathspec) == (True, 1, latest.pathspec)


def test_the_attempt_with_the_last_name_is_the_done_one(directory: Any, client: Any) -> None:
    directory.run("1", steps=LINEAR)
    directory.task("1", "start", "1", 0, {"x": 1})
    directory.task("1", "start", "1", 1, {"x": 2}, done=False)
    assert client.Task("HandFlow/1/start/1").data.x == 1


def test_objects_are_pickled_with_their_namespace(run: Any, client: Any) -> None:
    task = run["end"].task
    for obj in (run.parent, run, run["end"], task, task["x"], client.Task(task.pathspec, attempt=0)):
        again = pickle.loads(pickle.dumps(obj))
        assert (type(again), str(again), again._current_namespace) == (type(obj), str(obj), "user:ann")
    client.namespace("user:bob")
    assert pickle.loads(pickle.dumps(run)).data.x == 6


def test_pickles_of_older_versions(run: Any, client: Any) -> None:
    old = client.Run.__new__(client.Run)
    old.__setstate__({"version": "2.8.4", "data": ["HandFlow/1", None, False]})
    assert old.pathspec == "HandFlow/1" and old._namespace_check is False
    with pytest.raises(client.exception.MetaflowInternalError, match="greater than or equal to 9.9.9"):
        client.Run.__new__(client.Run).__setstate__({"version": "9.9.9", "data": []})


def test_a_damaged_blob_names_the_artifact(run: Any, client: Any, directory: Any) -> None:
    artifact = run["start"].task["x"]
    import gzip

    directory.blob(artifact.sha).write_bytes(gzip.compress(pickle.dumps(7, 4)))
    with pytest.raises(client.exception.MetaflowException) as damaged:
        artifact.data
    assert "x" in str(damaged.value) and "HandFlow/1/start/1" in str(damaged.value)
    directory.blob(artifact.sha).unlink()
    with pytest.raises(client.exception.MetaflowException) as missing:
        artifact.data
    assert "x" in str(missing.value)


def test_an_unknown_encoding_is_said(run: Any, client: Any) -> None:
    artifact = run["start"].task["x"]
    artifact._object["content_type"] = "arrow-v1"
    with pytest.raises(client.exception.MetaflowException, match="arrow-v1"):
        artifact.data
