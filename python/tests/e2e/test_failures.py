"""Runs that fail: transcript, exit code, records, advice."""

from __future__ import annotations

import json

from e2e_place import Place


def flow_of(body: str, decorators: str = "", name: str = "F") -> str:
    return """
import os, signal, sys, time
from metaflow import FlowSpec, catch, current, environment, resources, retry, step, timeout

class %s(FlowSpec):
%s
    @step
    def start(self):
        self.before = 1
%s
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    %s()
""" % (name, decorators, "\n".join("        " + line for line in body.splitlines()), name)


def test_an_exception_fails_the_run(place: Place) -> None:
    place.flow("f.py", flow_of("raise MemoryError()"))
    ran = place.run("f.py")
    assert ran.code == 1
    lines = ran.plain
    prefix = "[RUN/start/1 (pid N)] "
    assert lines[:4] == [
        "Workflow starting (run-id RUN):", prefix + "Task is starting.", prefix + "<flow F step start> failed:",
        prefix + "Internal error",
    ]
    assert lines[-6:] == [
        prefix + "MemoryError", prefix.rstrip() + " ", prefix + "Task failed.", "Workflow failed.",
        "Terminating 0 active tasks...", "Flushing logs...",
    ]
    assert ran.stderr.splitlines()[-3:] == ["    Step failure:", "    Step start (task-id 1) failed.", ""]
    # The failed attempt is stored, and says so.
    assert place.artifact("F", ran.run_id, "start", "1", "_task_ok") is False
    assert place.artifact("F", ran.run_id, "start", "1", "before") == 1
    task = place.root / "F" / ran.run_id / "start" / "1"
    assert json.loads((task / "0.runtime").read_text()) == {"return_code": 1, "killed": False, "success": False}
    assert (task / "0.runtime_stderr.log").read_text().endswith("]Task failed.")


def test_a_retry_starts_again_under_the_same_id(place: Place) -> None:
    ran = place.run("retrying.py")
    assert ran.code == 0, ran
    starts = [line for line in ran.plain if "Task is starting" in line]
    assert starts == [
        "[RUN/start/1 (pid N)] Task is starting.",
        "[RUN/start/1 (pid N)] Task is starting (retry).",
        "[RUN/start/1 (pid N)] Task is starting (retry).",
        "[RUN/end/2 (pid N)] Task is starting.",
    ]
    task = place.root / "RetryingFlow" / ran.run_id / "start" / "1"
    assert all((task / ("%d.DONE.lock" % n)).exists() for n in range(3))


def test_catch_lets_the_run_succeed(place: Place) -> None:
    ran = place.run("catching.py")
    assert ran.code == 0, ran


def test_catch_of_a_dying_process_falls_back(place: Place) -> None:
    place.flow("f.py", flow_of("os._exit(7)", '    @catch(var="problem")'))
    ran = place.run("f.py")
    assert ran.code == 0, ran
    assert "[RUN/start/1 (pid N)] Task fallback is starting to handle the failure." in ran.plain


def test_a_signal_is_named(place: Place) -> None:
    place.flow("f.py", flow_of("os.kill(os.getpid(), signal.SIGKILL)"))
    ran = place.run("f.py")
    assert ran.code == 1
    assert "[RUN/start/1 (pid N)] Task failed." in ran.plain
    assert "signal 9 (Killed)" in ran.stderr
    task = place.root / "F" / ran.run_id / "start" / "1"
    assert json.loads((task / "0.runtime").read_text()) == {"return_code": -9, "killed": False, "success": False}
    assert not (task / "0.DONE.lock").exists()


def test_a_segmentation_fault_is_named(place: Place) -> None:
    place.flow("f.py", flow_of("os.kill(os.getpid(), signal.SIGSEGV)"))
    ran = place.run("f.py")
    assert ran.code == 1
    assert "[RUN/start/1 (pid N)] Task failed with a segmentation fault." in ran.plain


def test_an_exit_before_the_end_is_a_failure(place: Place) -> None:
    place.flow("f.py", flow_of("os._exit(0)"))
    ran = place.run("f.py")
    assert ran.code == 1, ran
    assert "exited with code 0 before its step had ended" in ran.stderr


def test_memory_that_no_machine_has_is_explained(place: Place) -> None:
    place.flow("f.py", flow_of("raise MemoryError()", "    @resources(memory=60000000)"))
    ran = place.run("f.py")
    assert ran.code == 1
    assert "60000000 MB" in ran.stderr and "--with kubernetes" in ran.stderr


def test_too_many_splits(place: Place) -> None:
    place.flow("wide.py", """
from metaflow import FlowSpec, step

class Wide(FlowSpec):
    @step
    def start(self):
        self.items = list(range(101))
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

if __name__ == "__main__":
    Wide()
""")
    ran = place.run("wide.py")
    assert ran.code == 1
    assert "[RUN/start/1 (pid N)] Foreach yields 101 child steps." in ran.plain
    assert "Step start (task-id 1) failed: Foreach in step start yielded 101 child steps" in ran.stderr
    assert "--max-num-splits" in ran.stderr
    again = place.resume("wide.py", "--max-num-splits", "200")
    assert again.code == 0, again


def test_siblings_of_a_failure_may_end(place: Place) -> None:
    place.flow("wide.py", """
import os, time
from metaflow import FlowSpec, step

class Wide(FlowSpec):
    @step
    def start(self):
        self.items = [0, 1]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        if self.input == 0:
            while not os.path.exists("sibling"):
                time.sleep(0.01)
            raise ValueError("no")
        open("sibling", "w").close()
        time.sleep(0.5)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Wide()
""")
    ran = place.run("wide.py")
    assert ran.code == 1
    assert "Terminating 1 active tasks..." in ran.plain
    assert "[RUN/work/3 (pid N)] Task finished successfully." in ran.plain
    assert (place.root / "Wide" / ran.run_id / "work" / "3" / "0.DONE.lock").exists()


def test_a_dead_host_is_named(place: Place) -> None:
    place.flow("f.py", flow_of("os.kill(os.getppid(), signal.SIGKILL); time.sleep(60)"))
    ran = place.run("f.py")
    assert ran.code == 1, ran
    assert "the task host has ended" in ran.stderr
    assert "signal 9" in ran.stderr


def test_a_timeout_stops_what_ignores_it(place: Place) -> None:
    body = "signal.signal(signal.SIGALRM, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"
    place.flow("f.py", flow_of(body, "    @timeout(seconds=1)"))
    ran = place.run("f.py")
    assert ran.code == 1, ran
    task = place.root / "F" / ran.run_id / "start" / "1"
    assert json.loads((task / "0.runtime").read_text()) == {"return_code": -9, "killed": True, "success": False}


def test_kubernetes_is_refused_before_anything_is_stored(place: Place) -> None:
    place.flow("f.py", flow_of("pass"))
    ran = place("f.py", "--no-pylint", "run", "--with", "kubernetes")
    assert ran.code == 1
    assert "kubernetes" in ran.stderr
    assert not (place.root / "F").exists()


