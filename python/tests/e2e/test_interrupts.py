"""Ctrl-C, SIGTERM, a closed terminal, kill -9: on a real pseudo-terminal where it matters."""

from __future__ import annotations

import os
import re
import signal
from typing import Any

from e2e_place import Place, alive, finish, wait_until

SLEEPER = """
import os, signal, time
from metaflow import FlowSpec, step

class Sleeper(FlowSpec):
    @step
    def start(self):
        self.items = [0, 1]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        %s
        open("pid.%%d" %% self.input, "w").write(str(os.getpid()))
        print("sleeping", flush=True)
        while not os.path.exists("go"):
            time.sleep(0.05)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Sleeper()
"""


def pids(place: Place) -> Any:
    paths = [place.folder / ("pid.%d" % n) for n in (0, 1)]
    wait_until(lambda: all(path.exists() and path.read_text() for path in paths), "the tasks never began")
    return [int(path.read_text()) for path in paths]


def test_ctrl_c_interrupts_tasks_at_once(place: Place, terminal: Any) -> None:
    place.flow("s.py", SLEEPER % "pass")
    screen = terminal("s.py", "--no-pylint", "run")
    screen.wait_for("sleeping[^$]*sleeping")
    tasks = pids(place)
    screen.press("\x03")
    code = screen.end()
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", screen.text)
    assert code == 1, text
    assert "Workflow interrupted. Please avoid pressing Ctrl+C again" in text
    assert "Terminating 2 active tasks..." in text
    assert "Flushing logs..." in text
    assert "Killing" not in text
    assert text.rstrip().endswith("Aborted!")
    assert not any(alive(pid) for pid in tasks)


def test_tasks_that_ignore_ctrl_c_are_killed(place: Place, terminal: Any) -> None:
    place.flow("s.py", SLEEPER % "signal.signal(signal.SIGINT, signal.SIG_IGN)")
    screen = terminal("s.py", "--no-pylint", "run")
    screen.wait_for("sleeping[^$]*sleeping")
    tasks = pids(place)
    screen.press("\x03")
    assert screen.end() == 1
    text = re.sub(r"\x1b\[[0-9;]*[mK]", "", screen.text)
    assert "Killing 2 remaining tasks after having waited for 5 seconds" in text
    assert text.count("[KILLED BY ORCHESTRATOR]") == 4
    assert not any(alive(pid) for pid in tasks)


def test_ctrl_c_twice_kills_at_once(place: Place, terminal: Any) -> None:
    place.flow("s.py", SLEEPER % "signal.signal(signal.SIGINT, signal.SIG_IGN)")
    screen = terminal("s.py", "--no-pylint", "run")
    screen.wait_for("sleeping[^$]*sleeping")
    tasks = pids(place)
    screen.press("\x03")
    screen.wait_for("Terminating 2 active tasks")
    screen.press("\x03")
    assert screen.end() == 1
    assert "after having waited for 5 seconds" not in screen.text
    assert not any(alive(pid) for pid in tasks)


def test_ctrl_z_stops_everything_and_fg_goes_on(place: Place) -> None:
    place.flow("s.py", SLEEPER % "pass")
    # In a process group of its own, as a shell starts it.
    process = place.start("s.py", "--no-pylint", "run", preexec_fn=os.setpgrp)
    tasks = pids(place)
    process.send_signal(signal.SIGTSTP)

    def stopped(pid: int) -> bool:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "T"

    wait_until(lambda: all(stopped(pid) for pid in [process.pid, *tasks]), "not everything stopped")
    (place.folder / "go").touch()
    process.send_signal(signal.SIGCONT)
    ran = finish(process)
    assert ran.code == 0, ran
    assert ran.lines[-1] == "Done!"


def test_sigterm_ends_the_run_like_ctrl_c(place: Place) -> None:
    place.flow("s.py", SLEEPER % "pass")
    process = place.start("s.py", "--no-pylint", "run")
    tasks = pids(place)
    process.send_signal(signal.SIGTERM)
    ran = finish(process)
    assert ran.code == 1, ran
    assert "Flushing logs..." in ran.lines
    assert not any(alive(pid) for pid in tasks)


def test_a_closed_terminal_ends_the_run(place: Place, terminal: Any) -> None:
    place.flow("s.py", SLEEPER % "pass")
    screen = terminal("s.py", "--no-pylint", "run")
    screen.wait_for("sleeping[^$]*sleeping")
    tasks = pids(place)
    os.close(screen.fd)
    screen.fd = os.open(os.devnull, os.O_RDONLY)
    pid, status = os.waitpid(screen.pid, 0)
    screen.pid = 0
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 1
    assert not any(alive(pid) for pid in tasks)


def test_kill_9_of_the_conductor_leaves_no_task_and_a_store_to_resume_from(place: Place) -> None:
    place.flow("s.py", SLEEPER % "pass")
    process = place.start("s.py", "--no-pylint", "run")
    tasks = pids(place)
    process.kill()
    ran = finish(process)
    assert ran.code == -signal.SIGKILL
    wait_until(lambda: not any(alive(pid) for pid in tasks), "a task outlives its conductor")
    (place.folder / "go").touch()
    again = place.resume("s.py")
    assert again.code == 0, again
    cloned = [line for line in again.plain if "Cloning previously run task" in line]
    assert cloned == ["[RUN/start/1] Cloning previously run task RUN/start/1"]


def test_a_reader_that_leaves_does_not_fail_the_run(place: Place) -> None:
    process = place.start(place.path("foreach.py"), "--no-pylint", "run")
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0


def test_ctrl_c_does_not_meet_a_half_made_host(place: Place) -> None:
    place.flow("early.py", """
import os
import signal
from metaflow import FlowSpec, step

MAIN = os.getpid()

def interrupt_the_host():
    if os.getppid() == MAIN:
        os.kill(os.getpid(), signal.SIGINT)

os.register_at_fork(after_in_child=interrupt_the_host)

class Early(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        print("went on")

if __name__ == "__main__":
    Early()
""")
    ran = place.run("early.py")
    assert ran.code == 0 and "went on" in ran.stdout, ran


def test_a_run_that_waits_for_s3_says_so_and_can_be_interrupted(place: Place, terminal: Any) -> None:
    place.flow("s.py", SLEEPER % "pass")
    place.env.update(METAFLOW_DEFAULT_DATASTORE="s3", METAFLOW_DATASTORE_SYSROOT_S3="s3://bucket/metaflow",
                     METAFLOW_S3_ENDPOINT_URL="http://127.0.0.1:9", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b",
                     AWS_DEFAULT_REGION="us-east-1")
    screen = terminal("s.py", "--no-pylint", "run")
    screen.wait_for("S3 is slow to write .*socket connection refused .at http://127.0.0.1:9")
    screen.press("\x03")
    assert screen.end() == 1, screen.text
    assert re.sub(r"\x1b\[[0-9;]*[mK]", "", screen.text).rstrip().endswith("Aborted!")
