"""Namespace, metadata and tags."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def two_users(directory: Any, client: Any) -> Any:
    directory.run("1", tags=["old"])
    directory.run("2", tags=["new", "x"])
    directory.run("3", user="bob")
    return client


def test_the_default_is_the_user(two_users: Any) -> None:
    assert two_users.get_namespace() == "user:ann"
    assert [run.id for run in two_users.Flow("HandFlow")] == ["2", "1"]
    assert two_users.Flow("HandFlow").latest_run.id == "2"
    with pytest.raises(two_users.exception.MetaflowNamespaceMismatch) as mismatch:
        two_users.Run("HandFlow/3")
    assert str(mismatch.value) == "Object not in namespace 'user:ann'"


def test_none_is_everything(two_users: Any) -> None:
    assert two_users.namespace(None) is None
    assert [run.id for run in two_users.Flow("HandFlow").runs()] == ["3", "2", "1"]
    assert two_users.default_namespace() == "user:ann"


def test_a_token_is_the_namespace_of_production(two_users: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METAFLOW_PRODUCTION_TOKEN", "t-1")
    assert two_users.default_namespace() == "production:t-1"


def test_objects_keep_the_namespace_of_their_creation(two_users: Any) -> None:
    run = two_users.Run("HandFlow/2")
    two_users.namespace("user:bob")
    assert run["_parameters"].task.id == "0"
    assert run.is_in_namespace() is False
    assert two_users.Run("HandFlow/3").is_in_namespace() is True


def test_a_flow_is_where_one_of_its_runs_is(two_users: Any) -> None:
    assert [flow.id for flow in two_users.Metaflow()] == ["HandFlow"]
    two_users.namespace("user:eve")
    assert two_users.Metaflow().flows == []
    with pytest.raises(two_users.exception.MetaflowNamespaceMismatch):
        two_users.Flow("HandFlow")


def test_runs_by_tags(two_users: Any) -> None:
    flow = two_users.Flow("HandFlow")
    assert [run.id for run in flow.runs("new", "x")] == ["2"]
    assert [run.id for run in flow.runs("new", "old")] == []


def test_tags_are_changed_at_once(two_users: Any) -> None:
    run = two_users.Run("HandFlow/2")
    run.add_tag("a")
    run.add_tag(["b", "c"])
    assert run.user_tags == {"new", "x", "a", "b", "c"} and "user:ann" in run.tags
    run.replace_tags(["a", "b"], ["a", "d"])
    run.remove_tag("c")
    run.add_tags(["runtime:dev"])
    run.add_tags("word")
    run.remove_tag("word")
    assert two_users.Run("HandFlow/2").user_tags == run.user_tags == {"new", "x", "a", "d"}
    assert run["_parameters"].task.user_tags == two_users.Run("HandFlow/2").user_tags


@pytest.mark.parametrize(
    "change, text",
    [
        (lambda run: run.remove_tag("user:ann"), "existing system tag"),
        (lambda run: run.remove_tags("abc"), "may not be a string"),
        (lambda run: run.add_tags([]), "at least one tag"),
        (lambda run: run.add_tag(""), "not be empty"),
        (lambda run: run.add_tag("x" * 501), "too long"),
        (lambda run: run.add_tags([7]), "some kind of string"),
        (lambda run: run.add_tags(7), "must be iterable"),
        (lambda run: run.add_tags(str(i) for i in range(51)), "beyond 50"),
    ],
)
def test_tags_that_cannot_be(two_users: Any, change: Any, text: str) -> None:
    run = two_users.Run("HandFlow/1")
    with pytest.raises(two_users.exception.MetaflowTaggingError, match=text):
        change(run)
    assert two_users.Run("HandFlow/1").user_tags == {"old"}


def test_metadata_of_another_directory(two_users: Any, directory: Any, tmp_path: Path) -> None:
    here = str(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert two_users.get_metadata() == "local@" + here
    with pytest.raises(ValueError, match="Could not find directory .metaflow in directory %s" % elsewhere):
        two_users.metadata("local@%s" % elsewhere)
    assert two_users.metadata(here) == "local@" + here
    directory.__class__(elsewhere, "OtherFlow").run("9")
    assert two_users.metadata("local@%s" % elsewhere) == "local@%s" % elsewhere
    assert [flow.id for flow in two_users.Metaflow()] == ["OtherFlow"]
    assert two_users.default_metadata() == "local@" + here
    assert [flow.id for flow in two_users.Metaflow()] == ["HandFlow"]


def test_children_stay_with_their_metadata(two_users: Any, directory: Any, tmp_path: Path) -> None:
    run = two_users.Run("HandFlow/1")
    other = tmp_path / "other"
    other.mkdir()
    directory.__class__(other).run("1")
    two_users.metadata(str(other))
    assert run["_parameters"].task["name"]._object["location"] == ":root:%s" % directory.root


def test_the_nearest_parent_with_a_datastore(two_users: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert two_users.get_metadata() == "local@%s" % tmp_path
    assert two_users.Flow("HandFlow").latest_run.id == "2"


def test_the_service_is_refused(two_users: Any) -> None:
    for spec in ("service@http://x", "http://x"):
        with pytest.raises(two_users.exception.MetaflowException, match="not supported"):
            two_users.metadata(spec)


def test_no_datastore_at_all(client: Any, tmp_path: Path) -> None:
    assert list(client.Metaflow()) == []
    with pytest.raises(client.exception.MetaflowNotFound):
        client.Flow("HandFlow")


def test_in_a_thread_and_in_a_forked_child(two_users: Any) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(two_users.Run("HandFlow/2").id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["2"] * 8
    pid = os.fork()
    if pid == 0:
        os._exit(0 if two_users.Run("HandFlow/2").id == "2" else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert two_users.Run("HandFlow/1").id == "1"


@pytest.mark.parametrize("given, ids", [("user:bob", ["3"]), ("", ["3", "2", "1"]), (None, ["2", "1"])])
def test_in_a_task_the_run_says_what_is_seen(two_users: Any, monkeypatch: pytest.MonkeyPatch, given: Any, ids: Any) -> None:
    from headrace.current import Current

    current = Current()
    current._set_env(client_namespace=given)
    monkeypatch.setattr("headrace.current.current", current)
    assert [run.id for run in two_users.Flow("HandFlow")] == ids
    assert two_users.default_namespace() == "user:ann"


def test_in_a_task_the_metadata_is_that_of_the_run(client: Any, directory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.current import Current

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    directory.__class__(elsewhere, "OtherFlow").run("9")
    current = Current()
    current._set_env(metadata_str="local@%s" % elsewhere)
    monkeypatch.setattr("headrace.current.current", current)
    assert [flow.id for flow in client.Metaflow()] == ["OtherFlow"]
