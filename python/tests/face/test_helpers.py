"""Helpers of Metaflow that extensions import: the same results as Metaflow 2.19.38 gives."""

from __future__ import annotations

import datetime
import decimal
import os
from pathlib import Path
from typing import Any

import pytest

from metaflow.exception import CommandException, MetaflowException, MetaflowInternalError, MetaflowNotFound


def test_command_lines() -> None:
    from metaflow.cli_args import CLIArgs, cli_args
    from metaflow.util import dict_to_cli_options

    options = {
        "with_x": True, "no": False, "none": None, "tag": ["a b", "c"], "decospecs": ("retry",), "n": 0, "s": "", "v": "$HOME",
        "config": {"c": 1}, "local_config_file": "f",
    }
    assert list(dict_to_cli_options(options)) == [
        "--with-x", "--tag", "'a b'", "--tag", "c", "--with", "retry", "--n", "0", "--s", "''", "--v", "$HOME",
        "--config-value", "c", "kv.c",
    ]
    args = CLIArgs()
    args._set_top_kwargs({"quiet": True, "local_config_file": "f"})
    args._set_step_kwargs({"run_id": "1", "input_paths": ["a b"]})
    assert args.step_command("python", "f.py", "start") == [
        "python", "-u", "f.py", "--quiet", "--local-config-file", "f", "step", "start", "--run-id", "1", "--input-paths", "a b",
    ]
    assert cli_args.top_kwargs == {} and type(cli_args).__module__ == "metaflow.cli_args"


@pytest.mark.parametrize(
    "text, step, whole",
    [
        ("start", "start", None), ("1/start", "start", "F/1/start"), ("1/start/2", "start", "F/1/start/2"),
        ("F/1/start", "start", "F/1/start"), ("F/1/start/2", "start", "F/1/start/2"),
    ],
)
def test_spin_pathspecs(text: str, step: str, whole: Any) -> None:
    from metaflow.util import parse_spin_pathspec

    assert parse_spin_pathspec(text, "F") == (step, whole)


@pytest.mark.parametrize("text, part", [("G/1/start/2", "does not match"), ("F/1/start/2/3", "Invalid pathspec format")])
def test_spin_pathspecs_refused(text: str, part: str) -> None:
    from metaflow.util import parse_spin_pathspec

    with pytest.raises(CommandException, match=part):
        parse_spin_pathspec(text, "F")


def test_artifacts_of_a_file(tmp_path: Path) -> None:
    from metaflow.util import read_artifacts_module

    (tmp_path / "good.py").write_text("ARTIFACTS = {'a': 1}\n")
    (tmp_path / "bad.py").write_text("X = 1\n")
    assert read_artifacts_module(str(tmp_path / "good.py")) == {"a": 1}
    with pytest.raises(MetaflowInternalError, match="Error reading file"):
        read_artifacts_module(str(tmp_path / "bad.py"))


def test_folders_are_walked_without_cycles(tmp_path: Path) -> None:
    from metaflow.packaging_sys.utils import suffix_filter, walk, with_dir
    from metaflow.util import walk_without_cycles

    (tmp_path / "top" / "a" / "skipped").mkdir(parents=True)
    (tmp_path / "top" / "skipped").mkdir()
    (tmp_path / "top" / ".hidden").mkdir()
    for place in ("a", "a/skipped", "skipped", ".hidden"):
        (tmp_path / "top" / place / "f.py").write_text("")
    os.symlink(tmp_path / "top" / "a", tmp_path / "top" / "link")
    os.symlink(tmp_path / "top", tmp_path / "top" / "a" / "loop")
    seen = [os.path.relpath(folder, tmp_path / "top") for folder, _, _ in walk_without_cycles(str(tmp_path / "top"), ["skipped"])]
    assert {".", "a", "link", "link/skipped", ".hidden"} <= set(seen) and len(seen) == len(set(seen)) < 40
    assert "skipped" not in seen and "a/skipped" not in seen
    found = {there for _, there in walk(str(tmp_path / "top"), file_filter=suffix_filter([".py"]), exclude_tl_dirs=["skipped"])}
    assert {"top/a/f.py", "top/link/f.py"} <= found
    assert not {"top/.hidden/f.py", "top/a/skipped/f.py", "top/skipped/f.py"} & found
    before = os.getcwd()
    with pytest.raises(KeyError), with_dir(str(tmp_path)):
        raise KeyError(os.getcwd())
    assert os.getcwd() == before


def test_values_of_clouds() -> None:
    from metaflow.plugins.aws.aws_utils import parse_s3_full_path, sanitize_batch_tag, validate_aws_tag
    from metaflow.plugins.kubernetes.kube_utils import parse_cli_options, qos_requests_and_limits

    assert parse_s3_full_path("s3://b/k/l/") == ("b", "k/l") and parse_s3_full_path("s3://b") == ("b", None)
    assert sanitize_batch_tag("k!€" + "x" * 200, "v*;a") == ("k" + "x" * 127, "va")
    validate_aws_tag("k", "v")
    for key, value in (("AWS:k", "v"), ("k" * 129, "v"), ("k", "v" * 257), ("!", "v"), ("k", "!")):
        with pytest.raises(MetaflowException):
            validate_aws_tag(key, value)
    asked = {"cpu": "1", "memory": "2M", "ephemeral-storage": "3M"}
    assert qos_requests_and_limits("Guaranteed", 1, 2, 3) == (asked, asked)
    assert qos_requests_and_limits("burstable", 1, 2, 3) == (asked, {})
    assert parse_cli_options("F", "1", None, False, print) == ("F", "1", None)
    assert parse_cli_options("F", None, "bob", False, print) == ("F", None, "bob")
    with pytest.raises(CommandException, match="mutually exclusive"):
        parse_cli_options("F", None, "bob", True, print)


def test_metrics_and_messages() -> None:
    from metaflow.monitor import Counter, Gauge, Metric, Timer
    from metaflow.sidecar import Message, MessageTypes, Sidecar

    timer = Timer("t")
    timer.start(1.0)
    timer.end(3.5)
    again = Metric.deserialize(timer.serialize())
    assert isinstance(again, Timer) and again.value == timer.value == 2500.0
    counter, gauge = Counter("c"), Gauge("g")
    counter.increment()
    gauge.set_value(4)
    gauge.increment()
    assert counter.serialize() == {"_name": "c", "_type": "COUNTER", "_count": 1}
    assert Metric.deserialize(gauge.serialize()).value == 5 and Metric.deserialize(None) is None  # type: ignore[union-attr]
    with pytest.raises(NotImplementedError):
        Metric.deserialize({"_type": "OTHER"})
    message = Message.deserialize(Message(MessageTypes.MUST_SEND, {"a": 1}).serialize())
    assert (message.msg_type, message.payload) == (2, {"a": 1})
    assert Message.deserialize("{").msg_type == MessageTypes.INVALID
    sidecar = Sidecar("nullSidecarMonitor")
    sidecar.start()
    sidecar.send(message)
    assert not sidecar.is_active
    with pytest.raises(TypeError):
        Sidecar("x", options={"a": object()})


def test_classes_by_the_end_of_their_name() -> None:
    from metaflow.user_decorators.common import ClassPath_Trie

    trie = ClassPath_Trie()
    trie.init([("a.b.C", int), ("x.y.C", str), ("x.y.D", float)])
    assert trie.unique_prefix_value("b.C") is int and trie.unique_prefix_value("C") is None
    assert trie.search("x.y.D") is float and trie.search("D") is None and trie.unique_prefix_value("D") is float
    assert trie.unique_prefix_for_type(str) == "y.C" and trie.unique_prefix_for_type(bool) is None
    assert trie.get_unique_prefixes() == {"b.C": int, "y.C": str, "D": float}
    trie.remove("x.y.C")
    assert trie.unique_prefix_value("C") is int


def test_options_of_configs(tmp_path: Path) -> None:
    from metaflow.user_configs.config_options import ConfigInput, ConvertDictOrStr, ConvertPath, MultipleTuple

    (tmp_path / "c.json").write_text("{}")
    assert ConvertPath.convert_value(str(tmp_path / "c.json"), True) == "@!c!@:@!d!@:{}"
    assert ConvertPath.convert_value("/nope", False) == "@!c!@:@!n!@:/nope"
    assert ConvertDictOrStr().convert(ConvertDictOrStr.mark_as_default({"a": 1}), None, None) == '@!c!@:@!d!@:{"a": 1}'
    assert ConvertDictOrStr.convert_value("@!c!@:x", True) == "@!c!@:x" and ConvertDictOrStr.convert_value(None, True) is None
    assert MultipleTuple([str, str]).split_envvar_value('{"a": {"k": 1}, "b": "f"}') == ["a", '{"k": 1}', "b", "f"]
    assert ConfigInput.make_key_name("c") == "kv.c"


class _Artifact:
    def __init__(self, name: str, data: Any, size: int = 1) -> None:
        self.id, self._data, self.size = name, data, size

    @property
    def data(self) -> Any:
        if isinstance(self._data, Exception):
            raise self._data
        return self._data


class _Task:
    stderr, stdout, pathspec = "e", "o", "F/1/s/2"
    created_at = finished_at = datetime.datetime(2026, 1, 2, 15, 4, 5)

    def __init__(self, *artifacts: _Artifact) -> None:
        self._artifacts = artifacts

    def __iter__(self) -> Any:
        return iter(self._artifacts)


def test_a_task_as_plain_data() -> None:
    from metaflow.plugins.cards.card_modules.convert_to_native_type import TaskToDict

    png = b"\x89PNG\r\n\x1a\n0"
    task = _Task(
        _Artifact("t", (1, {2}, {"k": None})), _Artifact("d", decimal.Decimal("1.5")), _Artifact("c", 1j), _Artifact("o", slice(1)),
        _Artifact("png", png), _Artifact("big", 0, 10 ** 9), _Artifact("gone", ModuleNotFoundError("x", name="lost")), _Artifact("cls", int),
    )
    told = TaskToDict()(task, graph={"g": 1})
    data = {name: (info["type"], info["data"], info["supported_type"]) for name, info in told["data"].items()}
    assert data["t"] == ("tuple", [1, [2], {"k": None}], True)
    assert data["d"] == ("decimal.Decimal", 1.5, True) and data["c"] == ("complex", "1j", True)
    assert data["o"] == ("slice", "slice(None, 1, None)", False) and data["cls"] == ("type", "int", True)
    assert data["big"][0] == "skipped" and told["data"]["big"]["large_object"] and data["gone"] == ("lost", "<unable to unpickle>", False)
    assert told["images"]["png"].startswith("data:image/png;base64, iVBOR") and told["tables"] == {}
    assert (told["created_at"], told["graph"], told["pathspec"]) == ("2026-01-02 03:04:05 PM", {"g": 1}, "F/1/s/2")
    assert TaskToDict(only_repr=True).infer_object([1, 2])["data"] == "[1, 2]"
    assert TaskToDict(runtime=True)(_Task())["finished_at"] is None


def test_components_that_fail_are_shown() -> None:
    from metaflow.cards import MetaflowCardComponent
    from metaflow.plugins.cards.card_modules.renderer_tools import render_safely

    class Part(MetaflowCardComponent):
        def __init__(self, what: Any) -> None:
            self.what = what

        @render_safely
        def render(self) -> Any:
            return self.what() if callable(self.what) else self.what

    assert Part({"a": 1}).render() == {"a": 1} and Part("text").render() == "text"
    for bad, text in ((lambda: 1 / 0, "ZeroDivisionError"), (5, "didn't return"), ({"a": object()}, "cannot be JSON serialized")):
        assert text in str(Part(bad).render())


def test_graphs_of_cards() -> None:
    from metaflow.plugins.cards.card_modules.basic import transform_flow_graph

    def info(kind: str, **more: Any) -> Any:
        return dict({"type": kind, "next": ["x"], "doc": ""}, **more)

    steps = {
        "start": info("split-foreach", matching_join="j"), "w": info("linear"), "s": info("split-switch", condition="c", switch_cases={"a": "w"}),
    }
    told = transform_flow_graph({"steps": steps, "start_step": "start", "end_step": "w"})
    assert told["start_step"] == "start" and told["end_step"] == "w"
    assert told["steps"]["start"] == {"type": "foreach", "box_next": True, "box_ends": "j", "next": ["x"], "doc": ""}
    assert told["steps"]["s"]["switch_cases"] == {"a": "w"} and told["steps"]["w"]["box_next"] is False
    assert transform_flow_graph(steps)["end_step"] is None


def test_versions_and_frames() -> None:
    from metaflow.metaflow_version import make_public_version
    from metaflow.tuple_util import foreach_frame_field_list

    assert make_public_version("2.19.38+x.1") == make_public_version("2.19.38-git0af1-dirty") == "2.19.38"
    assert [name for name, _ in foreach_frame_field_list] == ["step", "var", "num_splits", "index", "value"]


def test_the_latest_task_of_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    from metaflow.util import get_latest_task_pathspec

    monkeypatch.chdir(tmp_path)
    with pytest.raises(MetaflowNotFound):
        get_latest_task_pathspec("NoFlow", "start")
