"""The task host's rules for forked tasks, each on a real host process."""

from __future__ import annotations

import array
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import textwrap
from typing import Any, Dict, List, Optional, Tuple

import pytest

from fake_engine import AttemptServer, FakeStore

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = HERE.parents[1]
TIMEOUT_S = 60


class Conductor:
    """The other end of a host link."""

    def __init__(self, directory: pathlib.Path, module: str, body: str, environment: Dict[str, str]) -> None:
        source = "from headrace.flowspec import FlowSpec, step\n" + textwrap.dedent(module) + (
            "\nclass F(FlowSpec):\n    @step\n    def start(self):\n"
            + textwrap.indent(textwrap.dedent(body), " " * 8)
            + "\n        self.next(self.end)\n\n    @step\n    def end(self):\n        pass\n\n"
            "if __name__ == '__main__':\n    F()\n"
        )
        script = directory / "flow.py"
        script.write_text(source)
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.link.settimeout(TIMEOUT_S)
        self.store = FakeStore()
        self.store.add_task("1/_parameters/0", {"name": "F", "_graph_info": {}, "_foreach_stack": []})
        variables = dict(os.environ, PYTHONPATH=str(PYTHON), **environment)
        self.stderr = open(directory / "stderr", "w+")
        self.stdout = open(directory / "stdout", "w+")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "host_driver.py"), str(script), str(theirs.fileno())],
                pass_fds=[theirs.fileno()], env=variables, stdout=self.stdout, stderr=self.stderr, cwd=str(directory),
                stdin=subprocess.PIPE,
            )
        self.ready = self.receive()
        assert self.ready["op"] == "ready", self.ready
        self.next_id = 1

    def receive(self) -> Dict[str, Any]:
        data = self.link.recv(65536)
        if not data:
            self.process.wait(TIMEOUT_S)
            raise AssertionError("the host ended: " + self.said())
        return json.loads(data)

    def said(self) -> str:
        self.stderr.flush()
        return pathlib.Path(self.stderr.name).read_text()

    def start(self, **more: Any) -> "TaskRun":
        number = self.next_id
        self.next_id += 1
        server = AttemptServer(self.store, "1/start/%d" % number, ["1/_parameters/0"])
        pipes = [os.pipe(), os.pipe()]
        fds = [server.door_fd, pipes[0][1], pipes[1][1]]
        message = {"op": "start", "id": number, "step": "start", "label": server.path, "attempt": 0, "fresh": False,
                   "environment": {}}
        message.update(more)
        socket.send_fds(self.link, [json.dumps(message).encode()], fds)
        for fd in fds[1:]:
            os.close(fd)
        started = self.receive()
        return TaskRun(self, number, server, started, pipes[0][0], pipes[1][0])

    def run(self, **more: Any) -> "TaskRun":
        task = self.start(**more)
        assert task.started["op"] == "started", task.started
        task.wait()
        return task

    def finish(self) -> None:
        self.link.send(json.dumps({"op": "finish", "run": "F/1", "successful": True}).encode())
        assert self.process.wait(TIMEOUT_S) == 0

    def close(self) -> None:
        self.link.close()
        try:
            self.process.wait(TIMEOUT_S)
        finally:
            self.process.kill()
            self.process.stdin.close()
            self.stderr.close()
            self.stdout.close()


class TaskRun:
    def __init__(self, conductor: Conductor, number: int, server: AttemptServer, started: Any, out: int, err: int) -> None:
        self.conductor = conductor
        self.number = number
        self.server = server
        self.started = started
        self._fds = (out, err)
        self.exited: Optional[Dict[str, Any]] = None
        self.output = ""
        self.errors = ""

    def read_line(self) -> str:
        """The next line of its standard output; empty at the end."""
        line = b""
        while not line.endswith(b"\n"):
            readable, _, _ = select.select([self._fds[0]], [], [], TIMEOUT_S)
            assert readable, "the task is silent"
            piece = os.read(self._fds[0], 1)
            if not piece:
                break
            line += piece
        return line.decode()

    @property
    def pid(self) -> int:
        return int(self.started["pid"])

    def wait(self) -> None:
        texts = [b"", b""]
        pending = list(self._fds)
        while pending:
            readable, _, _ = select.select(pending, [], [], TIMEOUT_S)
            assert readable, "the task is silent"
            for fd in readable:
                data = os.read(fd, 65536)
                texts[self._fds.index(fd)] += data
                if not data:
                    pending.remove(fd)
                    os.close(fd)
        self.output, self.errors = (text.decode() for text in texts)
        self.exited = self.conductor.receive()
        assert self.exited["op"] == "exited" and self.exited["id"] == self.number

    @property
    def code(self) -> int:
        assert self.exited is not None
        return os.waitstatus_to_exitcode(self.exited["status"])

    def value(self, name: str) -> Any:
        assert self.code == 0, self.errors
        return self.conductor.store.value(self.server.path, name)


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Any:
    made: List[Conductor] = []

    def make(module: str, body: str, **environment: str) -> Conductor:
        made.append(Conductor(tmp_path, module, body, environment))
        return made[-1]

    yield make
    for conductor in made:
        conductor.close()


def test_task_is_forked_and_reported(host: Any) -> None:
    conductor = host("import time", "print('hello')\nself.x = 1\nself.modules = 'socket'")
    assert conductor.ready["fork_safe"] and conductor.ready["wire"] == 1
    assert conductor.ready["pid"] == conductor.process.pid
    task = conductor.run()
    assert (task.started["how"], task.started["reason"], task.started["pid"]) == ("fork", "", task.exited["pid"])
    assert (task.output, task.errors, task.value("x")) == ("hello\n", "", 1)
    assert task.exited["peak_kb"] > 1000 and task.exited["user_ms"] >= 0


def test_nothing_is_imported_in_a_task(host: Any) -> None:
    conductor = host(
        "import sys", "before = set(sys.modules)\nself.x = [1.5, {'a': 1}]\nself.before = sorted(before)\n"
        "import atexit\natexit.register(lambda: print('\\n'.join(sorted(set(sys.modules) - before))))"
    )
    task = conductor.run()
    assert task.output == "\n", "imported in the task: %s" % task.output


def test_own_group_parent_death_signal_and_stdin(host: Any) -> None:
    conductor = host(
        "import ctypes, os, sys",
        """
        got = ctypes.c_int()
        assert ctypes.CDLL(None).prctl(2, ctypes.byref(got)) == 0
        self.facts = (os.getpid() == os.getpgrp(), got.value, sys.stdin.read(), os.readlink("/proc/self/fd/0"))
        self.adj = int(open("/proc/self/oom_score_adj").read())
        self.fds = sorted(os.listdir("/proc/self/fd"))
        """,
    )
    task = conductor.run()
    assert task.value("facts") == (True, signal.SIGKILL, "", os.devnull)
    assert task.value("adj") >= 500
    # 0, 1, 2, the door, the channel, and the listing itself.
    assert len(task.value("fds")) == 6


def test_host_ends_tasks_when_the_link_ends(host: Any) -> None:
    conductor = host("import time, subprocess", "subprocess.Popen(['sleep', '1000'])\nprint('up', flush=True)\ntime.sleep(1000)")
    task = conductor.start()
    assert task.read_line() == "up\n"
    conductor.link.close()
    assert conductor.process.wait(TIMEOUT_S) == 1
    # Both the task and what it started had the pipe.
    assert task.read_line() == ""


def test_task_dies_with_a_killed_host(host: Any) -> None:
    conductor = host("import time", "print('up', flush=True)\ntime.sleep(1000)")
    task = conductor.start()
    assert task.read_line() == "up\n"
    conductor.process.kill()
    assert task.read_line() == ""


def test_interrupt_reaches_the_user_code(host: Any) -> None:
    conductor = host(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)",
        "try:\n    print('up', flush=True)\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    self.caught = True",
    )
    task = conductor.start()
    assert task.read_line() == "up\n"
    os.killpg(task.pid, signal.SIGINT)
    task.wait()
    assert task.value("caught") is True


def test_killed_by_a_signal(host: Any) -> None:
    task = host("import os, signal", "os.kill(os.getpid(), signal.SIGSEGV)").run()
    assert task.code == -signal.SIGSEGV and task.server.finish is None


def test_buffers_are_not_written_twice(host: Any) -> None:
    conductor = host("import sys\nsys.stdout.write('from import')", "print('from task')")
    assert conductor.run().output == "from task\n"
    assert conductor.run().output == "from task\n"
    conductor.finish()
    assert pathlib.Path(conductor.stdout.name).read_text() == "from import"


def test_collector_is_frozen(host: Any) -> None:
    assert host("import gc", "self.frozen = gc.get_freeze_count()").run().value("frozen") > 1000


DRAWS = "self.drawn = (random.random(), float(numpy.random.random()), int(numpy.random.default_rng().integers(2**60)))"


def test_generators_are_reseeded(host: Any) -> None:
    pytest.importorskip("numpy")
    conductor = host("import random, numpy\nrandom.random(); numpy.random.random()", DRAWS)
    first, second = conductor.run().value("drawn"), conductor.run().value("drawn")
    assert all(a != b for a, b in zip(first, second))


def test_seeds_of_the_module_are_kept(host: Any) -> None:
    pytest.importorskip("numpy")
    conductor = host("import random, numpy\nrandom.seed(5); numpy.random.seed(6)", DRAWS)
    import random

    import numpy

    expected = (random.Random(5).random(), float(numpy.random.RandomState(6).random_sample()))
    first, second = conductor.run().value("drawn"), conductor.run().value("drawn")
    assert first[:2] == second[:2] == expected and first[2] != second[2]


def test_finalizers_run_once_and_exit_handlers_in_each_task(host: Any, tmp_path: pathlib.Path) -> None:
    conductor = host(
        """
        import atexit, os, tempfile, weakref
        directory = tempfile.TemporaryDirectory(dir=%r)
        atexit.register(lambda: print("bye", os.path.isdir(directory.name)))
        """ % str(tmp_path),
        """
        self.there = os.path.isdir(directory.name)
        own = tempfile.TemporaryDirectory(dir=%r)
        self.own = own.name
        self.__class__.kept = property(lambda _: own)
        """ % str(tmp_path),
    )
    for _ in range(2):
        task = conductor.run()
        assert task.value("there") and task.output == "bye True\n"
        assert not os.path.exists(task.value("own")), "the task's own finalizer did not run"
    left = [name for name in os.listdir(tmp_path) if name.startswith("tmp")]
    assert len(left) == 1
    conductor.finish()
    assert not [name for name in os.listdir(tmp_path) if name.startswith("tmp")]


def test_threads_of_the_task_are_waited_for(host: Any) -> None:
    conductor = host(
        "import threading, time",
        "threading.Thread(target=lambda: (threading.main_thread().join(), print('late'))).start()",
    )
    assert conductor.run().output == "late\n"


@pytest.mark.parametrize(
    "module, reason",
    [
        ("import socket\ns = socket.socket()", "a socket"),
        ("import os\nr, w = os.pipe()", "a pipe"),
        ("log = open('log.txt', 'a')", "a writable file"),
        ("import select\ne = select.epoll()", "a kernel object"),
        ("import os\nm = os.open('/dev/ptmx', os.O_RDWR)", "a device"),
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True, name='w1').start()",
         "1 thread running: w1"),
    ],
)
def test_fresh_interpreter_for_what_cannot_be_forked(host: Any, module: str, reason: str) -> None:
    conductor = host(module, "self.x = 1\nprint('hi')", HEADRACE_DEBUG_HOST="1")
    assert not conductor.ready["fork_safe"] and reason in conductor.ready["reason"]
    task = conductor.run()
    assert task.started["how"] == "fresh" and reason in task.started["reason"]
    assert (task.value("x"), task.output) == (1, "hi\n")
    assert "headrace host: tasks start in fresh interpreters: import left" in conductor.said()


@pytest.mark.parametrize(
    "module", ["import numpy, pandas", "f = open('/dev/null', 'w')", "f = open(__import__('os').__file__)"]
)
def test_harmless_imports_stay_on_the_fast_path(host: Any, module: str) -> None:
    if "pandas" in module:
        pytest.importorskip("pandas")
    conductor = host(module, "self.x = 1")
    assert conductor.ready["fork_safe"], conductor.ready["reason"]
    assert conductor.run().value("x") == 1


def test_numpy_works_after_use_at_import(host: Any) -> None:
    pytest.importorskip("numpy")
    conductor = host("import numpy\na = numpy.ones((300, 300))\nb = a @ a", "self.s = float((b @ a).sum())")
    assert conductor.run().value("s") == 300.0**4


def test_fresh_on_request_with_environment(host: Any) -> None:
    conductor = host("import os\nat_import = os.environ.get('SPECIAL')", "self.seen = (at_import, os.environ['SPECIAL'], "
                     "'HEADRACE_DOOR' in os.environ)")
    task = conductor.run(fresh=True, environment={"SPECIAL": "yes"})
    assert task.started["how"] == "fresh" and task.value("seen") == ("yes", "yes", False)
    assert conductor.run(environment={"SPECIAL": "fork"}).value("seen") == (None, "fork", False)


def test_fresh_task_has_group_limit_and_death_signal(host: Any) -> None:
    conductor = host(
        "import ctypes, os, resource",
        "got = ctypes.c_int()\nctypes.CDLL(None).prctl(2, ctypes.byref(got))\n"
        "self.facts = (os.getpid() == os.getpgrp(), got.value, resource.getrlimit(resource.RLIMIT_DATA)[0] > 0)",
    )
    assert conductor.run(fresh=True).value("facts") == (True, signal.SIGKILL, True)


def test_impossible_allocation_is_a_memory_error(host: Any) -> None:
    pytest.importorskip("numpy")
    conductor = host("import numpy", "numpy.ones((1 << 20, 1 << 20))")
    task = conductor.run()
    assert task.code == 1 and "MemoryError" in task.errors and task.server.finish["ok"] is False


def test_memory_limit_can_be_turned_off(host: Any) -> None:
    body = "self.limit = resource.getrlimit(resource.RLIMIT_DATA)[0]"
    with_limit = host("import resource", body).run().value("limit")
    assert 0 < with_limit < 1 << 50


def test_memory_limit_off(host: Any) -> None:
    import resource

    conductor = host("import resource", "self.limit = resource.getrlimit(resource.RLIMIT_DATA)[0]",
                     HEADRACE_MEMORY_LIMIT="off")
    assert conductor.run().value("limit") == resource.getrlimit(resource.RLIMIT_DATA)[0]


def test_tasks_run_side_by_side_and_report_as_they_end(host: Any) -> None:
    conductor = host(
        "import os", "os.mkfifo('gate%d' % os.getpid())\nprint('up', flush=True)\nopen('gate%d' % os.getpid()).read()"
    )
    directory = pathlib.Path(conductor.stderr.name).parent
    tasks = [conductor.start() for _ in range(3)]
    for task in tasks:
        assert task.read_line() == "up\n"
    for task in reversed(tasks):
        open(directory / ("gate%d" % task.pid), "w").close()
        task.wait()
        assert task.code == 0


def test_start_without_descriptors_fails(host: Any) -> None:
    conductor = host("", "pass")
    conductor.link.send(json.dumps({"op": "start", "id": 9, "step": "start", "fresh": False}).encode())
    answer = conductor.receive()
    assert answer["op"] == "start_failed" and answer["id"] == 9 and "0 descriptors" in answer["why"]


def test_closed_stdout_and_changed_directory(host: Any) -> None:
    conductor = host("import os, sys", "os.chdir('/')\nsys.stdout.close()\nself.x = 1")
    assert conductor.run().value("x") == 1
    assert conductor.run().value("x") == 1


def test_lazy_load_in_a_child_of_the_step(host: Any) -> None:
    conductor = host(
        "import multiprocessing\nfrom headrace.channel import engine_channel\n"
        "def work(n):\n    return engine_channel().request('begin', wire=1)['step'] + str(n)",
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n    self.x = pool.map(work, [1, 2])",
    )
    task = conductor.run()
    assert task.value("x") == ["start1", "start2"]


def test_a_channel_opened_at_import_is_no_obstacle(host: Any) -> None:
    conductor = host(
        """
        import os, socket
        from headrace.channel import Channel, Door

        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            ours.close()
            while theirs.recv(100):
                pass
            os._exit(0)
        theirs.close()
        door = Door(ours.detach())
        channel = Channel(lambda: door)
        channel._connected()
        """,
        "self.x = 1",
    )
    assert conductor.ready["fork_safe"], conductor.ready["reason"]
    assert conductor.run().value("x") == 1
