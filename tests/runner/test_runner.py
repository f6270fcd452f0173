"""Runner on the whole product: runs, waits, streams, resumes and ends flows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Callable

import pytest

FLOW = '''
import os, signal, sys, threading, time
from metaflow import FlowSpec, Parameter, current, step

class RunnerFlow(FlowSpec):
    alpha = Parameter("alpha", default=1)
    mode = Parameter("mode", default="")

    @step
    def start(self):
        print("alpha is", self.alpha, os.environ.get("EXTRA"))
        self.result = self.alpha * 2
        if self.mode == "fail" and current.origin_run_id is None:
            raise ValueError("asked to fail")
        if self.mode == "hang":
            print("hanging", flush=True)
            threading.Event().wait()
        self.next(self.end)

    @step
    def end(self):
        print("result is", self.result)

if __name__ == "__main__":
    RunnerFlow()
'''


@pytest.fixture
def script(headrace: Any) -> Callable[[str], Any]:
    """`script(code)`: runs Python with `r`, a quiet Runner of the flow, at hand; what it prints is given back."""
    (headrace.folder / "runner_flow.py").write_text(FLOW)

    def run(code: str, **options: Any) -> Any:
        head = "import asyncio, json, os, signal, sys, threading, time\nfrom metaflow import Runner, Run, namespace\n"
        if "Runner(" not in code:
            head += "r = Runner('runner_flow.py', show_output=False, pylint=False)\n"
        ran = headrace("-c", head + code, **options)
        assert ran.code == 0, ran.stdout + ran.stderr
        return ran.stdout

    return run


def test_a_run(script: Any) -> None:
    out = script(
        "with r:\n"
        "    done = r.run(alpha=5, tags=['t1', 't2'], max_workers=2)\n"
        "    print(json.dumps([done.status, done.returncode, done.run.successful, done.run.data.result,"
        " sorted(done.run.user_tags), 'result is 10' in done.stdout, 'Validating' in done.stderr, done.command_obj.command[1:3]]))\n"
        "    logs = done.command_obj.log_files['stdout']\n"
        "print(os.path.exists(logs))"
    )
    told, kept = out.splitlines()
    assert json.loads(told)[:7] == ["successful", 0, True, 10, ["t1", "t2"], True, True] and kept == "False"


def test_a_run_that_fails_does_not_raise(script: Any) -> None:
    out = script("done = r.run(mode='fail'); print(done.status, done.returncode, done.run.successful, 'asked to fail' in done.stdout)")
    assert out == "failed 1 False True\n"


def test_resuming(script: Any) -> None:
    out = script(
        "first = r.run(alpha=4, mode='fail')\n"
        "second = r.resume(origin_run_id=first.run.id)\n"
        "third = r.resume(step_to_rerun='end', origin_run_id=second.run.id)\n"
        "print([x.status for x in (first, second, third)], third.run.data.result, second.run.origin_pathspec == first.run.pathspec)"
    )
    assert out == "['failed', 'successful', 'successful'] 8 True\n"


def test_output_is_shown_on_request(script: Any) -> None:
    out = script("Runner('runner_flow.py', pylint=False).run(alpha=3)")
    assert re.search(r"start/1 \(pid \d+\)\] alpha is 3", out) and "Validating your flow..." in out


def test_environment_and_directory(script: Any, headrace: Any) -> None:
    (headrace.folder / "sub").mkdir()
    out = script(
        "d = Runner('runner_flow.py', show_output=False, pylint=False, env={'EXTRA': 'extra'}, cwd='sub').run()\n"
        "print('alpha is 1 extra' in d.stdout, os.path.isdir('sub/.metaflow'), os.path.isdir('.metaflow'), d.run.successful)"
    )
    assert out == "True True False True\n"


def test_what_ends_before_there_is_a_run(script: Any, headrace: Any) -> None:
    (headrace.folder / "runner_flow.py").write_text(FLOW.replace("self.next(self.end)", "self.next(self.nowhere)"))
    out = script("try:\n    r.run()\nexcept RuntimeError as error:\n    print(error)")
    assert out.startswith("Error executing: ") and "nowhere" in out


def test_wrong_arguments(script: Any) -> None:
    out = script(
        "for wrong in ({'alpha': 'x'}, {'beta': 1}):\n"
        "    try: r.run(**wrong)\n"
        "    except (TypeError, ValueError) as error: print(type(error).__name__)\n"
        "print(os.path.exists('.metaflow'))"
    )
    assert out == "TypeError\nValueError\nFalse\n"


def test_async_run(script: Any) -> None:
    out = script(
        "async def main():\n"
        "    running = await r.async_run(alpha=6)\n"
        "    print(running.run.id.isdigit())\n"
        "    lines = [line async for _, line in running.stream_log('stdout')]\n"
        "    await running.wait()\n"
        "    print(running.status, running.run.data.result, any('alpha is 6' in line for line in lines), lines[-1][24:])\n"
        "asyncio.run(main())"
    )
    assert out == "True\nsuccessful 12 True Done!\n"


def test_runs_at_the_same_time(script: Any) -> None:
    out = script(
        "async def main():\n"
        "    many = await asyncio.gather(*(r.async_run(alpha=i) for i in range(3)))\n"
        "    await asyncio.gather(*(one.wait() for one in many))\n"
        "    print([one.run.data.result for one in many], len({one.run.id for one in many}))\n"
        "asyncio.run(main())"
    )
    assert out == "[0, 2, 4] 3\n"


def test_a_timeout_ends_the_run(script: Any) -> None:
    out = script(
        "async def main():\n"
        "    running = await r.async_run(mode='hang')\n"
        "    async for _, line in running.stream_log('stdout'):\n"
        "        if line.endswith('hanging'): break\n"
        "    print(running.status)\n"
        "    await running.wait(timeout=0.2)\n"
        "    print(running.status, running.returncode != 0, running.run.successful)\n"
        "asyncio.run(main())"
    )
    lines = out.splitlines()
    assert lines[0] == "running" and "did not complete within 0.2 seconds" in lines[1] and lines[2] == "timeout True False"


def test_sigint_ends_the_run_and_not_the_script(script: Any) -> None:
    out = script(
        "def interrupt():\n"
        "    while not any('hanging' in open(c.log_files['stdout']).read() for c in r.spm.commands.values()): time.sleep(0.05)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "threading.Thread(target=interrupt).start()\n"
        "done = r.run(mode='hang')\n"
        "print(done.status, done.run.finished)"
    )
    assert out == "failed False\n"


def test_artifacts_of_a_spun_task_are_all_there_or_not_there(script: Any) -> None:
    """Also those that it inherits: the spin datastore has no other task's blobs."""
    out = script(
        "first = r.run()\n"
        "end = first.run['end'].task.pathspec.split('/', 1)[1]\n"
        "kept, lost = r.spin(end, persist=True).task, r.spin(end).task\n"
        "names = sorted(a.id for a in first.run['end'].task)\n"
        "print(sorted(a.id for a in kept if a.data == first.run['end'].task[a.id].data) == names, [a.id for a in lost if a.data and a.id != 'name'])\n"
    )
    assert "True []" in out


def test_spin(script: Any) -> None:
    out = script(
        "first = r.run(alpha=3)\n"
        "again = r.spin(first.run['end'].task.pathspec.split('/', 1)[1], persist=True)\n"
        "print(again.status, again.task.path_components[2], again.task.successful)"
    )
    assert out == "successful end True\n"


def test_a_notebook_cell(script: Any, headrace: Any) -> None:
    code = (
        "import types\n"
        "cell = open('runner_flow.py').read().split('if __name__')[0] + 'NBRunner(RunnerFlow).nbrun()'\n"
        "history = types.SimpleNamespace(input_hist_raw=[cell])\n"
        "ipython = types.ModuleType('IPython'); ipython.get_ipython = lambda: types.SimpleNamespace(history_manager=history)\n"
        "sys.modules['IPython'] = ipython\n"
        "from metaflow import NBRunner\n"
        "class RunnerFlow: pass\n"
        "run = NBRunner(RunnerFlow, show_output=False, pylint=False).nbrun(alpha=7)\n"
        "print(run.data.result, [f for f in os.listdir('.') if f.startswith('RunnerFlow')])  # Runner("
    )
    assert script(code) == "14 []\n"
