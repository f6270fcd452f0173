"""`python flow.py run` from the command line to the tasks, with a conductor written in Python."""

from __future__ import annotations

import os
import pathlib
import pickle
import subprocess
import sys
import textwrap
from typing import Any, Dict, Tuple

import pytest

import headrace.foreach  # noqa: F401  (makes `__main__.ForeachFrame`)

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = HERE.parents[1]


@pytest.fixture
def run(tmp_path: pathlib.Path) -> Any:
    engine = tmp_path / "headrace"
    engine.write_text("#!/bin/sh\nexec %s %s \"$@\"\n" % (sys.executable, HERE / "mini_conductor.py"))
    engine.chmod(0o755)

    def run(source: str, *arguments: str, code: int = 0, **environment: str) -> Tuple[str, Dict[str, Any]]:
        script = tmp_path / "flow.py"
        script.write_text(textwrap.dedent(source))
        out = tmp_path / "out.pickle"
        variables = dict(os.environ, PYTHONPATH="%s:%s" % (PYTHON, HERE), HEADRACE_ENGINE=str(engine), HOME=str(tmp_path),
                         METAFLOW_USER="ann", MINI_CONDUCTOR_OUT=str(out), **environment)
        done = subprocess.run(
            [sys.executable, "flow.py", *(arguments or ("run",))], cwd=tmp_path, env=variables, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, universal_newlines=True,
        )
        assert done.returncode == code, done.stdout
        return done.stdout, pickle.loads(out.read_bytes()) if out.exists() else {}

    return run


LANGUAGE = """
import os
from metaflow import FlowSpec, Parameter, JSONType, catch, current, environment, project, retry, step, user_step_decorator

@user_step_decorator
def loud(step_name, flow, inputs):
    print("before", step_name)
    yield
    print("after", step_name)

@project(name="proj")
class LanguageFlow(FlowSpec):
    alpha = Parameter("alpha", default=3)
    conf = Parameter("conf", type=JSONType, default='{"a": [1]}')
    const = "c"

    @loud
    @step
    def start(self):
        self.items = list(range(self.alpha))
        self.project = current.project_name
        self.next(self.work, foreach="items")

    @retry(times=2)
    @step
    def work(self):
        if self.input == 1 and current.retry_count < 2:
            raise ValueError("not yet")
        self.result = self.input * 10
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [i.result for i in inputs]
        self.merge_artifacts(inputs, include=["items"])
        self.next(self.branch)

    @step
    def branch(self):
        self.next(self.left, self.right)

    @catch(var="oops")
    @step
    def left(self):
        raise KeyError("caught")
        self.next(self.both)

    @environment(vars={"SPECIAL": "42"})
    @step
    def right(self):
        self.special = os.environ["SPECIAL"]
        self.next(self.both)

    @step
    def both(self, inputs):
        self.merge_artifacts(inputs)
        self.n = 0
        self.next(self.loop)

    @step
    def loop(self):
        self.n += 1
        self.more = self.n < 3
        self.next({True: self.loop, False: self.end}, condition="more")

    @step
    def end(self):
        print(self.alpha, self.conf, self.const, self.results, self.special, self.n, self.oops.type)

if __name__ == "__main__":
    LanguageFlow()
"""


def test_the_language_from_end_to_end(run: Any) -> None:
    output, stored = run(LANGUAGE, "run", "--alpha", "4", "--conf", '{"a": [2]}')
    lines = output.splitlines()
    assert [line for line in lines if line.startswith("[end/")] == [
        "[end/14] 4 {'a': [2]} c [0, 10, 20, 30] 42 3 builtins.KeyError"
    ]
    assert "[start/1] before start" in lines and "[start/1] after start" in lines
    assert sum(line.endswith("<flow LanguageFlow step work[1] (input: 1)> failed:") for line in lines) == 2
    hows = [(event["how"], event["reason"]) for event in stored[""]["events"] if event["op"] == "started"]
    assert hows.count(("fresh", "the step asks for it")) == 1 and len(hows) == 14 + 2
    values = stored["1/start/1"]
    assert values["project"] == "proj" and values["_graph_info"]["start_step"] == "start"
    assert stored["1/_parameters/0"]["const"] == "c" and stored["1/_parameters/0"]["alpha"] == 4


def test_dynamic_decorators_reach_fresh_interpreters(run: Any) -> None:
    output, stored = run(
        """
        import socket
        from metaflow import FlowSpec, current, step
        left_open = socket.socket()

        class FreshFlow(FlowSpec):
            @step
            def start(self):
                if current.retry_count == 0:
                    raise ValueError
                self.x = current.retry_count
                self.next(self.end)

            @step
            def end(self):
                assert self.x == 1

        if __name__ == "__main__":
            FreshFlow()
        """,
        "run", "--with", "retry:times=1",
    )
    started = [event for event in stored[""]["events"] if event["op"] == "started"]
    assert [event["how"] for event in started] == ["fresh"] * 3
    assert "a socket" in started[0]["reason"]


def test_a_failing_step_fails_the_run(run: Any) -> None:
    output, stored = run(
        """
        from metaflow import FlowSpec, step
        from metaflow.exception import MetaflowException

        class FailFlow(FlowSpec):
            @step
            def start(self):
                raise MetaflowException("this *is* why")
                self.next(self.end)

            @step
            def end(self):
                pass

        if __name__ == "__main__":
            FailFlow()
        """,
        code=1,
    )
    assert [line for line in output.splitlines() if line.startswith("[")] == [
        "[start/1] <flow FailFlow step start> failed:", "[start/1]     Flow failed:", "[start/1]     this is why",
        "[start/1] ",
    ]
    assert stored["1/start/1"]["_task_ok"] is False
