"""One attempt of a step against the fake engine: state before the step, hooks, what is saved."""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stderr
from typing import Any, Dict, List, Optional, Tuple

import pytest

from fake_engine import AttemptServer, FakeStore
from headrace.errors import MetaflowExceptionWrapper
from headrace.flowspec import FlowSpec, step
from headrace.foreach import ForeachFrame
from headrace.task import run_attempt


def base_values(flow_cls: Any, **more: Any) -> Dict[str, Any]:
    values: Dict[str, Any] = {
        "name": flow_cls.__name__, "_graph_info": {"steps": {}}, "_foreach_stack": [], "_transition": None,
        "_task_ok": True, "_success": True, "_configs_processed": True,
    }
    values.update(more)
    return values


class Run:
    """Runs attempts of one flow, each with its own server."""

    def __init__(self, flow_cls: Any, **constants: Any) -> None:
        self.flow_cls = flow_cls
        self.store = FakeStore()
        self.store.add_task("1/_parameters/0", base_values(flow_cls, **constants))
        self.stderr = ""
        self.server: Optional[AttemptServer] = None

    def __call__(self, path: str, inputs: Optional[List[str]] = None, **more: Any) -> int:
        self.server = AttemptServer(self.store, path, inputs or ["1/_parameters/0"], **more)
        err = io.StringIO()
        # A task has a class of its own: parameters become properties of it.
        cls = type(self.flow_cls.__name__, (self.flow_cls,), {"__module__": self.flow_cls.__module__})
        cls._configs_processed = True
        flow = cls(use_cli=False)
        try:
            with redirect_stderr(err):
                code = run_attempt(flow, self.server.make_door())
        finally:
            self.server.close()
        self.stderr = err.getvalue()
        return code

    def values(self, path: str) -> Dict[str, Any]:
        return self.store.values(path)


class Linear(FlowSpec):
    const = 7

    @step
    def start(self):
        self.x = 1
        self.shared = [1, 2]
        self.f = lambda: 0
        self.next(self.middle)

    @step
    def middle(self):
        self.shared.append(self.x + self.const)
        self.next(self.end)

    @step
    def end(self):
        assert self.shared == [1, 2, 8]
        del self.shared
        assert self.shared == [1, 2, 8]


def test_linear_flow_passes_artifacts_by_reference() -> None:
    run = Run(Linear, const=7)
    assert run("1/start/1") == 0, run.stderr
    assert run.server.finish["transition"] == {"next": ["middle"], "splits": None}
    first = run.store.tasks["1/start/1"]
    values = run.values("1/start/1")
    assert values == {
        "name": "Linear", "x": 1, "shared": [1, 2], "const": 7, "_graph_info": {"steps": {}}, "_foreach_stack": [],
        "_transition": (["middle"], None), "_task_ok": True, "_success": True, "_configs_processed": True,
        "_current_step": "start", "_exception": None, "_foreach_var": None, "_foreach_num_splits": None,
        "_iteration_stack": [],
    }
    assert first["info"]["x"] == {"size": 5, "type": "<class 'int'>", "encoding": "pickle-v4"}

    assert run("1/middle/2", ["1/start/1"]) == 0, run.stderr
    saved = set(run.server.saved["objects"])
    assert "shared" in saved and "x" in saved and "const" not in saved and "_graph_info" not in saved
    assert run.values("1/middle/2")["shared"] == [1, 2, 8]

    assert run("1/end/3", ["1/middle/2"]) == 0, run.stderr
    assert run.server.finish["transition"] is None
    assert run.values("1/end/3")["shared"] == [1, 2, 8]


class Loads(FlowSpec):
    @step
    def start(self):
        self.big = b"x" * 10
        self.other = "untouched"
        self.next(self.end)

    @step
    def end(self):
        assert self.big == b"x" * 10


def test_only_touched_artifacts_are_loaded() -> None:
    run = Run(Loads)
    run("1/start/1")
    run("1/end/2", ["1/start/1"])
    assert [fields["name"] for fields in run.server.ops("load") if not fields["name"].startswith("_")] == ["big"]
    assert run.values("1/end/2")["other"] == "untouched"
    inherited = {group["from"]: group["names"] for group in run.server.finish["inherit"]}
    assert list(inherited) == [0] and {"other", "_graph_info"} <= set(inherited[0]) and "big" not in inherited[0]


class Foreach(FlowSpec):
    @step
    def start(self):
        self.items = ["a", "b", {"k": 1}]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.seen = (self.index, self.input, self.foreach_stack(), str(self))
        self.next(self.join)

    @step
    def join(self, inputs):
        assert not hasattr(self, "items")
        self.all = [i.seen for i in inputs]
        self.same = inputs.work.seen
        self.outer = (self.index, self.input)
        self.merge_artifacts(inputs, exclude=["seen"])
        self.next(self.end)

    @step
    def end(self):
        pass


def test_foreach_and_join() -> None:
    run = Run(Foreach)
    assert run("1/start/1") == 0, run.stderr
    assert run.server.finish["transition"] == {"next": ["work"], "splits": 3}
    start = run.values("1/start/1")
    assert start["_foreach_var"] == "items" and start["_foreach_num_splits"] == 3
    assert start["_foreach_values"] == ["a", "b", "{'k': 1}"]
    assert start["_transition"] == (["work"], "items")

    for i in range(3):
        assert run("1/work/%d" % (i + 2), ["1/start/1"], split_index=i) == 0, run.stderr
    values = run.values("1/work/3")
    assert values["_foreach_stack"] == [ForeachFrame("work", "items", 3, 1, "b")]
    assert values["seen"] == (1, "b", [(1, 3, "b")], "<flow Foreach step work[1] (input: b)>")
    assert values["_foreach_var"] is None and values["_foreach_values"] == ["a", "b", "{'k': 1}"]
    assert [(f["field"], f["value"]) for f in run.server.metadata] == [
        ("foreach-stack", ["items={'k': 1}"]), ("foreach-execution-path", "work:2"),
    ]

    assert run("1/join/5", ["1/work/2", "1/work/3", "1/work/4"]) == 0, run.stderr
    joined = run.values("1/join/5")
    assert [s[0] for s in joined["all"]] == [0, 1, 2] and joined["same"][0] == 2
    assert joined["items"] == ["a", "b", {"k": 1}] and "seen" not in joined
    assert joined["_foreach_stack"] == [] and joined["outer"] == (None, None)
    assert "_foreach_values" not in joined
    loads = [fields["name"] for fields in run.server.ops("load")]
    assert loads.count("_foreach_stack") == 1, "the lineage of all inputs was loaded"


def test_join_misses_inputs() -> None:
    run = Run(Foreach)
    run("1/start/1")
    for i in range(2):
        run("1/work/%d" % (i + 2), ["1/start/1"], split_index=i)
    assert run("1/join/5", ["1/work/2", "1/work/3"]) == 1
    assert "Data missing:\n" in run.stderr and "expected 3 splits but only 2 inputs" in run.stderr
    assert run.server.finish is None


class Static(FlowSpec):
    @step
    def start(self):
        self.common = 1
        self.next(self.a, self.b)

    @step
    def a(self):
        self.x = 1
        self.only_a = "a"
        self.next(self.join)

    @step
    def b(self):
        self.x = True
        self.next(self.join)

    @step
    def join(self, inputs):
        from headrace.errors import MissingInMergeArtifactsException, UnhandledInMergeArtifactsException

        with pytest.raises(UnhandledInMergeArtifactsException) as caught:
            self.merge_artifacts(inputs)
        assert caught.value.artifact_names == ["x"]
        assert not hasattr(self, "common")
        with pytest.raises(MissingInMergeArtifactsException) as missing:
            self.merge_artifacts(inputs, include=["common", "nowhere"])
        assert missing.value.artifact_names == ["nowhere"]
        with pytest.raises(TypeError):
            len(inputs)
        self.x = inputs.a.x + inputs[1].x
        self.merge_artifacts(inputs)
        assert self.common == 1 and self.only_a == "a"
        self.next(self.end)

    @step
    def end(self):
        pass


def test_static_branches_merge() -> None:
    run = Run(Static)
    run("1/start/1")
    run("1/a/2", ["1/start/1"])
    run("1/b/3", ["1/start/1"])
    assert run("1/join/4", ["1/a/2", "1/b/3"]) == 0, run.stderr
    values = run.values("1/join/4")
    assert (values["x"], values["only_a"], values["common"]) == (2, "a", 1)


class Failing(FlowSpec):
    @step
    def start(self):
        self.before = 1
        raise MemoryError("no")

    @step
    def end(self):
        pass


def test_a_failed_attempt_is_stored_and_explained() -> None:
    run = Run(Failing)
    assert run("1/start/1") == 1
    lines = run.stderr.splitlines()
    assert lines[0] == "<flow Failing step start> failed:"
    assert lines[1] == "    Internal error"
    assert lines[2] == "Traceback (most recent call last):"
    assert lines[3].endswith("in start") and "test_attempt.py" in lines[3]
    assert lines[-2:] == ["MemoryError: no", ""]
    assert run.server.finish["ok"] is False and run.server.finish["transition"] is None
    values = run.values("1/start/1")
    assert values["before"] == 1 and values["_task_ok"] is False and values["_success"] is False
    wrapper = values["_exception"]
    assert isinstance(wrapper, MetaflowExceptionWrapper)
    assert (wrapper.type, wrapper.exception) == ("builtins.MemoryError", "no")
    assert "raise MemoryError" in wrapper.stacktrace


class Unpicklable(FlowSpec):
    @step
    def start(self):
        self.gen = (i for i in range(3))
        self.next(self.end)

    @step
    def end(self):
        pass


def test_unpicklable_artifact_is_named() -> None:
    run = Run(Unpicklable)
    assert run("1/start/1") == 1
    assert "Cannot pickle artifact:\n" in run.stderr
    assert '"gen" of type builtins.generator in step start' in run.stderr
    assert run.server.finish is None
    assert run.server.metadata[-1]["field"] == "attempt_ok" and run.server.metadata[-1]["value"] == "False"


class SelfReference(FlowSpec):
    @step
    def start(self):
        self.me = self
        self.next(self.end)

    @step
    def end(self):
        pass


def test_flow_as_artifact_is_refused() -> None:
    run = Run(SelfReference)
    assert run("1/start/1") == 1
    assert "Flow failed:\n    Flows can't be serialized." in run.stderr


class Leaving(FlowSpec):
    @step
    def start(self):
        self.kept = 1
        sys.exit(3)

    @step
    def middle(self):
        raise KeyboardInterrupt

    @step
    def end(self):
        sys.exit()


def test_sys_exit_and_interrupt() -> None:
    run = Run(Leaving)
    assert run("1/start/1") == 3
    assert run.stderr == "" and run.server.finish["ok"] is False
    values = run.values("1/start/1")
    assert values["kept"] == 1 and values["_task_ok"] is None and values["_exception"] is None
    assert run("1/middle/2") == 1
    assert run.stderr == "\nAborted!\n"
    assert run("1/end/3") == 0


class Switch(FlowSpec):
    @step
    def start(self):
        self.n = 0
        self.next(self.loop)

    @step
    def loop(self):
        self.n += 1
        self.again = "yes" if self.n < 3 else "no"
        self.next({"yes": self.loop, "no": self.end}, condition="again")

    @step
    def end(self):
        pass


def test_recursion_counts_iterations() -> None:
    run = Run(Switch)
    run("1/start/1")
    previous = "1/start/1"
    stacks, targets = [], []
    for i in range(3):
        path = "1/loop/%d" % (i + 2)
        assert run(path, [previous]) == 0, run.stderr
        stacks.append(run.values(path)["_iteration_stack"])
        targets.append(run.server.finish["transition"]["next"])
        previous = path
    assert stacks == [[0], [1], [2]] and targets == [["loop"], ["loop"], ["end"]]
    run("1/end/5", [previous])
    assert run.values("1/end/5")["_iteration_stack"] == []


class Constants(FlowSpec):
    const = {"a": 1}

    @step
    def start(self):
        with pytest.raises(AttributeError, match="Flow level attributes and Parameters are not modifiable"):
            self.const = 2
        self.next(self.end)

    @step
    def end(self):
        with pytest.raises(AttributeError, match="Flow Constants has no attribute 'nothing'"):
            self.nothing


def test_constants_are_read_only() -> None:
    run = Run(Constants, const={"a": 1})
    assert run("1/start/1") == 0, run.stderr
    assert run.values("1/start/1")["const"] == {"a": 1}
    assert run("1/end/2", ["1/start/1"]) == 0, run.stderr


class Secretive:
    def __str__(self):
        raise RuntimeError("not printable")

    __repr__ = __str__


class Unprintable(FlowSpec):
    @step
    def start(self):
        self.items = [1]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.items = [Secretive()]
        raise KeyError("the real one")

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


def test_an_unprintable_item_does_not_hide_the_failure() -> None:
    run = Run(Unprintable)
    run("1/start/1")
    assert run("1/work/2", ["1/start/1"], split_index=0) == 1
    assert run.stderr.startswith("<flow Unprintable step work> failed:\n")
    assert "KeyError: 'the real one'" in run.stderr
