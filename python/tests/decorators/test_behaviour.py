"""What built-in decorators do in a task, and what they refuse."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from driver import Driver
from headrace.decorators.timeout import get_run_time_limit_for_task
from metaflow import FlowSpec, batch, catch, conda, current, environment, parallel, project, resources, retry, secrets
from metaflow import schedule, step, timeout, trigger, trigger_on_finish
from metaflow.exception import MetaflowException, MetaflowExceptionWrapper
from metaflow.plugins.catch_decorator import FailureHandledByCatch
from metaflow.plugins.timeout_decorator import TimeoutException


def flow_of(*decorators: Any, body: Any = None, flow_decorators: Any = ()) -> Any:
    """A flow whose step `start` has the decorators, the first one nearest to it."""

    class Made(FlowSpec):
        @step
        def start(self):
            if self._body is not None:
                self._body(self)
            self.next(self.end)

        @step
        def end(self):
            pass

    Made._body = None if body is None else staticmethod(body)
    for decorator in decorators:
        decorator(Made.start)
    for decorator in flow_decorators:
        decorator(Made)
    return Made


def boom(flow: Any) -> None:
    flow.before = 1
    raise ValueError("boom")


# retry


@pytest.mark.parametrize("times, expected", [(0, 0), (3, 3), ("4", 4)])
def test_retry_counts(times: Any, expected: int) -> None:
    driver = Driver(flow_of(retry(times=times)))
    assert driver.step("start").decorators[0].step_task_retry_count() == (expected, 0)


def test_retry_has_a_limit() -> None:
    with pytest.raises(MetaflowException) as error:
        Driver(flow_of(retry(times=5)))
    assert "The maximum number of retries is @retry(times=4)." in str(error.value)


# catch


def test_catch_keeps_the_exception_and_goes_on(capsys: Any) -> None:
    driver = Driver(flow_of(catch(var="error"), body=boom))
    assert driver.attempt("start") is None
    assert driver.flow.error.exception == "boom" and driver.flow.error.type == "builtins.ValueError"
    assert isinstance(driver.flow._catch_exception, MetaflowExceptionWrapper)
    assert driver.flow.before == 1
    assert driver.flow._transition == (["end"], None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("@catch caught an exception from <flow Made step start")
    assert lines[1] == ">  Traceback (most recent call last):" and lines[-1] == ">  ValueError: boom"


def test_catch_waits_for_the_last_attempt() -> None:
    driver = Driver(flow_of(catch(print_exception=False), body=boom))
    assert isinstance(driver.attempt("start", 0, max_retries=1), ValueError)
    assert driver.attempt("start", 1, max_retries=1) is None


def test_catch_sets_none_after_success_and_is_quiet(capsys: Any) -> None:
    driver = Driver(flow_of(catch(var="error")))
    assert driver.attempt("start") is None
    assert driver.flow.error is None
    assert capsys.readouterr().out == ""


def test_catch_runs_a_stub_when_the_process_died_every_time() -> None:
    driver = Driver(flow_of(catch(var="error", print_exception=False), body=lambda flow: os._exit(9)))
    assert driver.step("start").decorators[0].step_task_retry_count() == (0, 3)
    assert driver.attempt("start", retry_count=1, max_retries=0) is None
    assert driver.flow.error.type.endswith("FailureHandledByCatch")
    assert str(FailureHandledByCatch(1)).startswith("Task execution kept failing over 1 attempts.")


def test_catch_is_refused_on_splits() -> None:
    class Split(FlowSpec):
        @catch
        @step
        def start(self):
            self.items = [1]
            self.next(self.work, foreach="items")

        @step
        def work(self):
            self.next(self.join)

        @step
        def join(self, inputs):
            self.next(self.end)

        @step
        def end(self):
            pass

    with pytest.raises(MetaflowException) as error:
        Driver(Split)
    assert "@catch is not supported in foreach split steps." in str(error.value)


# timeout


def test_timeout_raises_in_the_step_and_says_where(capsys: Any) -> None:
    driver = Driver(flow_of(timeout(seconds=1), body=lambda flow: _spin()))
    error = driver.attempt("start")
    assert isinstance(error, TimeoutException) and error.headline == "@timeout"
    assert "Step start timed out after 0 hours, 0 minutes, 1 seconds" in str(error)
    assert "_spin" in str(error)
    assert "Step start timed out after" in capsys.readouterr().out
    assert signal.alarm(0) == 0


def _spin() -> None:
    while True:
        signal.pause()


def test_timeout_ends_with_the_step() -> None:
    driver = Driver(flow_of(timeout(minutes=1)))
    assert driver.attempt("start") is None
    assert signal.alarm(0) == 0
    driver = Driver(flow_of(timeout(minutes=1), body=boom))
    assert isinstance(driver.attempt("start"), ValueError)
    assert signal.alarm(0) == 0


def test_timeout_is_a_sum_and_needs_a_duration() -> None:
    driver = Driver(flow_of(timeout(seconds=1, minutes=2, hours=3)))
    assert get_run_time_limit_for_task(driver.step("start").decorators) == 3 * 3600 + 121
    assert get_run_time_limit_for_task([]) == 432000
    with pytest.raises(MetaflowException) as error:
        Driver(flow_of(timeout))
    assert "Specify a duration for @timeout." in str(error.value)


def test_timeout_does_not_count_for_the_stub_of_catch() -> None:
    driver = Driver(flow_of(timeout(seconds=1), catch(print_exception=False)))
    assert driver.attempt("start", retry_count=1, max_retries=0) is None
    assert signal.alarm(0) == 0


# environment, secrets


def test_environment_gives_text_to_the_task() -> None:
    driver = Driver(flow_of(environment(vars={"A": 1, "B": "x"})))

    class Start:
        env = {"C": "y"}

    driver.step("start").decorators[0].runtime_step_cli(Start, 0, 0, None)
    assert Start.env == {"A": "1", "B": "x", "C": "y"}
    for wrong in ("A=1", {"A=": "1"}, {"": "1"}, {"A": "\0"}):
        with pytest.raises(MetaflowException):
            Driver(flow_of(environment(vars=wrong)))


def inline(**env_vars: Any) -> Any:
    return {"type": "inline", "id": "one", "options": {"env_vars": env_vars}}


def attempt_with_secrets(monkeypatch: Any, **attributes: Any) -> Any:
    for name in ("HR_SECRET", "HR_OTHER"):
        monkeypatch.delenv(name, raising=False)
        # So that what the task sets is taken away after the test.
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    seen = {}
    driver = Driver(flow_of(secrets(**attributes), body=lambda flow: seen.update(os.environ)))
    return driver.attempt("start"), seen


def test_secrets_are_variables_of_the_step(monkeypatch: Any) -> None:
    error, seen = attempt_with_secrets(monkeypatch, sources=[inline(HR_SECRET="s"), inline(HR_OTHER="o")])
    assert error is None
    assert (seen["HR_SECRET"], seen["HR_OTHER"]) == ("s", "o")


@pytest.mark.parametrize(
    "sources, text",
    [
        ([3], "@secrets sources items must be either a string or a dict"),
        (["vault.id"], "Unknown secrets backend type vault (available types: aws-secrets-manager, gcp-secret-manager, az-key"),
        (["plain"], "No default secrets backend type configured, but needed by @secrets."),
        (["aws-secrets-manager.id"], "not available in this version of Headrace"),
        ([{"type": "inline"}], "'id' must be a string"),
        ([{"type": 3, "id": "x"}], "'type' must be a string"),
        ([dict(inline(), options=3)], "'option' must be a dict"),
        ([inline(METAFLOW_X="1")], "Found disallowed env var name 'METAFLOW_X'"),
        ([inline(**{"a-b": "1"})], "Found invalid env var name 'a-b'."),
        ([inline(A=1)], "Found non string value 1"),
        ([inline(HR_SECRET="1"), inline(HR_SECRET="2")], "will inject 'HR_SECRET' as env var, and it is also added by"),
        ([inline(PATH="1")], "will inject 'PATH' as env var, but it already exists in env"),
    ],
)
def test_secrets_are_checked(monkeypatch: Any, sources: Any, text: str) -> None:
    error, _ = attempt_with_secrets(monkeypatch, sources=sources)
    assert isinstance(error, MetaflowException) and text in str(error)


def test_secrets_may_override(monkeypatch: Any) -> None:
    monkeypatch.setenv("HR_SECRET", "old")
    seen = {}
    flow = flow_of(secrets(sources=[inline(HR_SECRET="new")], allow_override=True),
                   body=lambda flow: seen.update(os.environ))
    assert Driver(flow).attempt("start") is None
    assert seen["HR_SECRET"] == "new"


# project


@pytest.mark.parametrize(
    "attributes, options, branch, user_branch",
    [
        ({}, {}, "user.ann", True),
        ({}, {"branch": "b"}, "test.b", False),
        ({}, {"production": True}, "prod", False),
        ({"branch": "b"}, {"production": True}, "prod.b", False),
        ({"branch": "b"}, {"branch": "b"}, "test.b", False),
    ],
)
def test_project_branches(monkeypatch: Any, attributes: Any, options: Any, branch: str, user_branch: bool) -> None:
    monkeypatch.setenv("METAFLOW_USER", "ann")
    driver = Driver(flow_of(flow_decorators=[project(name="p", **attributes)]), options=options)
    assert driver.said == ["Project: *p*, Branch: *%s*" % branch]
    assert driver.metadata.sys_tags == ["project:p", "project_branch:" + branch]
    assert (current.project_name, current.branch_name, current.is_user_branch) == ("p", branch, user_branch)
    assert current.project_flow_name == "p.%s.Made" % branch
    assert current.is_production == bool(options.get("production"))


@pytest.mark.parametrize(
    "attributes, options, text",
    [
        ({}, {}, "@project needs a name."),
        ({"name": "P"}, {}, "must contain only lowercase alphanumeric characters and underscores"),
        ({"name": "p" * 129}, {}, "must be shorter than 128 characters"),
        ({"name": "p"}, {"branch": "B"}, "The branch name must contain only"),
        ({"name": "p"}, {"branch": "b" * 129}, "Branch name is too long. The maximum is 128 characters."),
        ({"name": "p", "branch": "a"}, {"branch": "b"}, "cannot pass branch as both a command-line argument"),
    ],
)
def test_project_refuses(attributes: Any, options: Any, text: str) -> None:
    with pytest.raises(MetaflowException) as error:
        Driver(flow_of(flow_decorators=[project(**attributes)]), options=options)
    assert text in str(error.value)


# parallel


def test_parallel_sets_current_and_metadata(monkeypatch: Any) -> None:
    for name, value in (("NUM_NODES", "3"), ("NODE_INDEX", "2"), ("CONTROL_TASK_ID", "7")):
        monkeypatch.setenv("MF_PARALLEL_" + name, value)

    class Wide(FlowSpec):
        @step
        def start(self):
            self.next(self.work, num_parallel=3)

        @parallel
        @step
        def work(self):
            self.seen = tuple(current.parallel)
            self.next(self.join)

        @step
        def join(self, inputs):
            self.next(self.end)

        @step
        def end(self):
            pass

    driver = Driver(Wide)
    from metaflow.flowspec import ParallelUBF

    driver.flow._parallel_ubf_iter = ParallelUBF(3)
    assert driver.attempt("work", ubf="ubf_task") is None
    assert driver.flow.seen == ("127.0.0.1", 3, 2, "7")
    assert [(record.field, record.value) for record in driver.metadata.records] == [("parallel-world-size", 3)]


# refused at use, fine to attach


def test_conda_needs_an_environment() -> None:
    with pytest.raises(MetaflowException) as error:
        Driver(flow_of(conda(packages={"numpy": "1"})))
    assert error.value.headline == "Incompatible environment"
    assert "@conda decorator requires --environment=conda or --environment=pypi" in str(error.value)


def test_batch_says_what_to_do() -> None:
    driver = Driver(flow_of(batch(cpu=2), resources))
    with pytest.raises(MetaflowException) as error:
        for deco in driver.flow.start.decorators:
            deco.runtime_init(driver.flow, None, None, "1")
    assert error.value.headline == "AWS Batch error"
    assert "Headrace does not support AWS Batch" in str(error.value)


# triggers, schedule


def test_schedule_and_triggers_are_checked_and_inert() -> None:
    flow = flow_of(flow_decorators=[schedule(hourly=True), trigger(event="e"), trigger_on_finish(flow="p.b.F")])
    Driver(flow, options={"trigger": None})
    from headrace.decorators.attach import flow_decorators

    by_name = {deco.name: deco for deco in flow_decorators(flow)}
    assert by_name["schedule"].schedule == "0 * * * ? *"
    assert by_name["trigger"].triggers == [{"name": "e"}]
    assert by_name["trigger_on_finish"].triggers == [{"fq_name": "p.b.F", "flow": "F", "project": "p", "branch": "b"}]


@pytest.mark.parametrize(
    "decorator, text",
    [
        (trigger(), "No event(s) specified"),
        (trigger(event="a", events=["b"]), "Specify only one of *event* or *events*"),
        (trigger(events=["a", "a"]), "Duplicate event names"),
        (trigger(event={"parameters": {}}), "missing the *name* key"),
        (trigger(event=3), "Incorrect format for *event*"),
        (trigger(event={"name": "a", "parameters": [("x",)]}), "*parameters* attribute for event is invalid"),
        (trigger_on_finish(), "No flow(s) specified"),
        (trigger_on_finish(flow="a.B"), "Incorrect format for *flow*"),
        (trigger_on_finish(flow="a-b"), "Invalid flow name *a-b*"),
        (trigger_on_finish(flows="F"), "Supported type is list"),
        (trigger_on_finish(flow={"name": "F", "project": 3}), "The *project* attribute of the *flow* F is not a string"),
    ],
)
def test_triggers_refuse(decorator: Any, text: str) -> None:
    with pytest.raises(MetaflowException) as error:
        Driver(flow_of(flow_decorators=[decorator]), options={"trigger": None})
    assert text in str(error.value)
