"""Decorators' hooks, wrappers, Parameters, `current` and parallel tasks in an attempt."""

from __future__ import annotations

from typing import Any, List

import pytest

from headrace.current import current
from headrace.decorators.base import StepDecorator
from headrace.decorators.registry import decorator_function
from headrace.flowspec import FlowSpec, step
from headrace.metadatum import MetaDatum
from headrace.parameters import Parameter
from headrace.unbounded import UBF_CONTROL, UBF_TASK, ParallelUBF
from headrace.user_decorators import user_step_decorator
from test_attempt import Run

calls: List[Any] = []


class Recorder(StepDecorator):
    name = "recorder"
    defaults = {"handles": False, "label": "r"}
    allow_multiple = True

    def _note(self, hook: str, *more: Any) -> None:
        calls.append((self.attributes["label"], hook) + more)

    def task_pre_step(self, step_name, task_datastore, metadata, run_id, task_id, flow, graph, retry_count,
                      max_user_code_retries, ubf_context, inputs):
        self._note("pre", step_name, run_id, task_id, retry_count, max_user_code_retries, ubf_context)
        assert task_datastore.pathspec == "%s/%s/%s" % (run_id, step_name, task_id)
        assert [i.pathspec for i in inputs] == ["1/_parameters/0"] and flow._graph is graph
        metadata.register_metadata(run_id, step_name, task_id, [MetaDatum("f", "v", "t", ["a:b"])])

    def task_decorate(self, step_func, flow, graph, retry_count, max_user_code_retries, ubf_context):
        def wrapped(*args):
            self._note("enter")
            step_func(*args)
            self._note("leave")

        return wrapped

    def task_post_step(self, step_name, flow, graph, retry_count, max_user_code_retries):
        self._note("post")
        flow.from_post = 1

    def task_exception(self, exception, step_name, flow, graph, retry_count, max_user_code_retries):
        self._note("exception", type(exception).__name__)
        if self.attributes["handles"]:
            flow._transition = (graph[step_name].out_funcs, None)
        return self.attributes["handles"]

    def task_finished(self, step_name, flow, graph, is_task_ok, retry_count, max_user_code_retries):
        self._note("finished", is_task_ok)


def with_recorders(**attributes: Any) -> Any:
    def decorate(function: Any) -> Any:
        for label in "ab":
            function.decorators.append(Recorder(dict(attributes, label=label)))
        return function

    return decorate


@user_step_decorator
def timed(step_name, flow, inputs):
    calls.append(("timed", step_name, inputs))
    yield
    calls.append("timed done")


@user_step_decorator
def forgiving(step_name, flow, inputs):
    try:
        yield
    except ValueError as error:
        flow.forgiven = str(error)


class Hooks(FlowSpec):
    alpha = Parameter("alpha", default=1)

    @with_recorders()
    @step
    def start(self):
        calls.append("user")
        self.seen = (self.alpha, current.pathspec, current.retry_count, current.parameter_names, current.graph)
        with pytest.raises(AttributeError, match="not modifiable"):
            self.alpha = 3
        self.next(self.end)

    @with_recorders(handles=True)
    @step
    def fails(self):
        raise KeyError("k")

    @timed
    @step
    def wrapped(self):
        calls.append("user")
        self.next(self.end)

    @forgiving
    @step
    def forgiven_step(self):
        raise ValueError("oops")
        self.next(self.end)

    @step
    def end(self):
        pass


@pytest.fixture
def run() -> Run:
    calls.clear()
    return Run(Hooks, alpha=7)


def test_order_of_hooks(run: Run) -> None:
    assert run("1/start/1", attempt=2, max_user_code_retries=3) == 0, run.stderr
    assert calls == [
        ("a", "pre", "start", "1", "1", 2, 3, None), ("b", "pre", "start", "1", "1", 2, 3, None),
        ("b", "enter"), ("a", "enter"), "user", ("a", "leave"), ("b", "leave"), ("a", "post"), ("b", "post"),
        ("a", "finished", True), ("b", "finished", True),
    ]
    values = run.values("1/start/1")
    assert values["seen"] == (7, "Hooks/1/start/1", 2, ["alpha"], {"steps": {}}) and values["from_post"] == 1
    assert values["alpha"] == 7 and "alpha" not in run.server.saved["objects"]
    assert run.server.metadata == [{"field": "f", "type": "t", "value": "v", "tags": ["a:b"]}] * 2


def test_handled_exception(run: Run) -> None:
    assert run("1/fails/1") == 0, run.stderr
    assert calls[4:] == [("a", "exception", "KeyError"), ("b", "exception", "KeyError"), ("a", "finished", True),
                         ("b", "finished", True)]
    values = run.values("1/fails/1")
    assert values["_task_ok"] is True and values["_success"] is False and values["_exception"] is None
    assert run.server.finish["ok"] is True and run.stderr == ""


def test_custom_decorators(run: Run) -> None:
    assert run("1/wrapped/1") == 0, run.stderr
    assert calls == [("timed", "wrapped", None), "user", "timed done"]
    assert run("1/forgiven_step/2") == 0, run.stderr
    assert run.values("1/forgiven_step/2")["forgiven"] == "oops"
    assert run.server.finish["transition"] == {"next": ["end"], "splits": None}


def test_current_outside_of_a_task() -> None:
    from headrace.current import Current

    fresh = Current()
    assert fresh.is_running_flow is False and fresh.pathspec is None and fresh.run is None and fresh.task is None
    assert fresh.get("project_name", "none") == "none" and "run_id" not in fresh
    with pytest.raises(RuntimeError, match="Graph is not available"):
        fresh.graph
    with pytest.raises(AttributeError):
        fresh.tags


class Caught(FlowSpec):
    @decorator_function("catch")(var="error")
    @decorator_function("retry")(times=1)
    @step
    def start(self):
        self.partial = 1
        raise ValueError("bad")
        self.next(self.end)

    @step
    def end(self):
        pass


def init_decorators(cls: Any) -> None:
    for name in ("start", "end", "work", "join"):
        function = getattr(cls, name, None)
        for deco in getattr(function, "decorators", ()):
            deco.external_init()
            deco.step_init(cls, cls._graph, name, function.decorators, None, None, lambda *a, **k: print(*a))


def test_catch_after_the_last_retry_and_in_a_fallback(capsys: Any) -> None:
    init_decorators(Caught)
    run = Run(Caught)
    assert run("1/start/1", attempt=0, max_user_code_retries=1) == 1
    assert run("1/start/1", attempt=1, max_user_code_retries=1) == 0, run.stderr
    values = run.values("1/start/1")
    assert values["error"].type == "builtins.ValueError" and values["_catch_exception"].exception == "bad"
    assert values["partial"] == 1 and values["_success"] is False
    assert run.server.finish["transition"] == {"next": ["end"], "splits": None}
    assert run("1/start/2", attempt=2, max_user_code_retries=1) == 0, run.stderr
    assert run.values("1/start/2")["error"].type == "metaflow.plugins.catch_decorator.FailureHandledByCatch"
    assert "partial" not in run.values("1/start/2")


class Parallel(FlowSpec):
    @step
    def start(self):
        self.next(self.work, num_parallel=3)

    @decorator_function("parallel")
    @step
    def work(self):
        self.node = (current.parallel.node_index, current.parallel.num_nodes, self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = [i.node for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        pass


def test_parallel_control_and_worker() -> None:
    init_decorators(Parallel)
    run = Run(Parallel)
    assert run("1/start/1") == 0, run.stderr
    assert run.server.finish["transition"] == {"next": ["work"], "splits": 3}
    start = run.values("1/start/1")
    assert start["_unbounded_foreach"] is True and start["_parallel_ubf_iter"].num_parallel == 3
    assert type(start["_parallel_ubf_iter"]).__module__ == "metaflow.flowspec"

    assert run("1/work/2", ["1/start/1"], ubf="control", num_parallel=3, split_index=0) == 0, run.stderr
    assert [fields["count"] for fields in run.server.ops("start_workers")] == [2] and run.server.ops("wait_workers")
    values = run.values("1/work/2")
    assert values["_control_mapper_tasks"] == ["1/work/2", "1/work/2_node_1", "1/work/2_node_2"]
    assert values["_control_task_is_mapper_zero"] is True and values["node"] == (0, 3, 0)
    assert run.server.finish["transition"] == {"next": ["join"], "splits": None}
    for i in (1, 2):
        path = "1/work/2_node_%d" % i
        assert run(path, ["1/start/1"], ubf="worker", num_parallel=3, node_index=i, control_task="2",
                   split_index=i) == 0, run.stderr
        assert run.values(path)["node"] == (i, 3, i)
    assert run("1/join/3", values["_control_mapper_tasks"]) == 0, run.stderr
    assert run.values("1/join/3")["nodes"] == [(0, 3, 0), (1, 3, 1), (2, 3, 2)]
