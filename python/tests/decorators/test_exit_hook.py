"""`@exit_hook`: each hook in a process of its own; a failure is said and stays alone."""

from __future__ import annotations

import os
from typing import Any, List

import pytest

from driver import Driver
from headrace.decorators.exit_hook import run_exit_hooks
from metaflow import FlowSpec, exit_hook, step
from metaflow.exception import MetaflowException

SEEN = "HR_EXIT_HOOK_SEEN"


def note(text: str) -> None:
    with open(os.environ[SEEN], "a") as file:
        file.write("%s %d\n" % (text, os.getpid()))


def plain() -> None:
    note("plain")


def takes_run(run: Any) -> None:
    note("run %s" % run)


def takes_anything(**kwargs: Any) -> None:
    note("anything %s" % sorted(kwargs))


def fails() -> None:
    raise RuntimeError("hook is broken")


def dies() -> None:
    os._exit(9)


def flow_with(**attributes: Any) -> Any:
    @exit_hook(**attributes)
    class Hooked(FlowSpec):
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    Hooked.__module__ = __name__
    return Hooked


@pytest.fixture
def seen(tmp_path: Any, monkeypatch: Any) -> Any:
    file = tmp_path / "seen"
    monkeypatch.setenv(SEEN, str(file))
    monkeypatch.setattr("headrace.client.Run", lambda pathspec, _namespace_check=True: "Run(%s)" % pathspec)

    def lines() -> List[str]:
        return file.read_text().splitlines() if file.exists() else []

    return lines


def test_hooks_of_success_run_in_order_in_other_processes(seen: Any) -> None:
    run_exit_hooks(flow_with(on_success=[plain, takes_run, takes_anything], on_error=[fails]), "F/1", True)
    words = [line.rsplit(" ", 1) for line in seen()]
    assert [word for word, _ in words] == ["plain", "run Run(F/1)", "anything ['run']"]
    assert str(os.getpid()) not in [pid for _, pid in words]


def test_a_broken_hook_is_said_and_the_next_one_runs(seen: Any, capfd: Any) -> None:
    run_exit_hooks(flow_with(on_error=[fails, dies, plain]), "F/1", False)
    assert [line.split()[0] for line in seen()] == ["plain"]
    output = capfd.readouterr()
    assert "[exit_hook] Hook 'fails' failed with error: its process ended with exit code 1" in output.out
    assert "[exit_hook] Hook 'dies' failed with error: its process ended with exit code 9" in output.out
    assert "hook is broken" in output.err


def test_hooks_are_named_by_text_too(seen: Any, tmp_path: Any, monkeypatch: Any, capfd: Any) -> None:
    (tmp_path / "hr_hook_module.py").write_text(
        "import os\ndef hook(run):\n    open(os.environ['%s'], 'a').write('imported %%s 0\\n' %% run)\n" % SEEN
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    run_exit_hooks(flow_with(on_success=["hr_hook_module.hook", "hr_hook_module.missing"]), "F/1", True)
    assert seen() == ["imported Run(F/1) 0"]
    assert "Hook 'hr_hook_module.missing' failed" in capfd.readouterr().out


def test_hooks_are_checked_at_start() -> None:
    with pytest.raises(MetaflowException) as error:
        Driver(flow_with())
    assert "Choose at least one of the options on_success/on_error" in str(error.value)
    with pytest.raises(ValueError, match="must be a function or a string"):
        Driver(flow_with(on_success=[3]))
