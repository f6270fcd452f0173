"""Ways in which a call ends early or oddly: it always ends, and nothing is left behind."""

from __future__ import annotations

import contextlib
import errno
import gc
import itertools
import os
import resource
import select
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import pytest

from headrace.parallel import WorkerDied, ends, fork, parallel_imap_unordered, parallel_map, pool, system
from headrace.parallel.pool import Pool
from headrace.parallel.source import Source
from memory_group import memory_group

PrintedBy = Callable[[str], str]
Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def another_thread() -> Iterator[None]:
    """One that takes the signals that the main thread blocks."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    yield
    done.set()
    thread.join()


LEAVES_WHEN_ALL_IS_DONE = """
import os, time
from headrace.parallel import parallel_imap_unordered

os.register_at_fork(after_in_parent=lambda: time.sleep(0.1))  # The worker has done its first tickets when the parent looks.
for number, result in enumerate(parallel_imap_unordered(abs, range(1000), max_parallel=1)):
    if number == 1:
        break
print("left")
"""


def test_leaving_early_when_what_was_handed_out_is_done(printed_by: PrintedBy) -> None:
    assert printed_by(LEAVES_WHEN_ALL_IS_DONE) == "left\n"


FUNCTION_CLOSES_ALL = """
import os, time
from headrace.parallel import parallel_map

def work(x):
    if x == 0:
        os.closerange(3, 100)
        time.sleep(100)
    time.sleep(0.1)
    raise ValueError("of item 1")

try:
    parallel_map(work, range(2), max_parallel=2)
except ValueError as error:
    print(error)
"""


def test_a_worker_that_closed_its_link_holds_nothing_up(printed_by: PrintedBy) -> None:
    assert printed_by(FUNCTION_CLOSES_ALL) == "of item 1\n"


WORKER_CANNOT_LEAVE = """
import signal, sys
from headrace.parallel import parallel_imap_unordered

signal.signal(signal.SIGINT, signal.default_int_handler)
for _ in parallel_imap_unordered(lambda x: print("y" * 200000, end=""), range(1)):
    print("done", file=sys.stderr, flush=True)
"""


def test_waiting_for_a_worker_that_cannot_print_can_be_interrupted(start: Start) -> None:
    with start(WORKER_CANNOT_LEAVE) as program:
        assert program.stderr is not None and program.stdout is not None
        assert program.stderr.readline() == "done\n"
        time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        try:
            assert program.wait(timeout=10) == -signal.SIGINT
        finally:
            program.kill()


SUSPENDED_AT_THE_END = """
from headrace.parallel import parallel_imap_unordered

results = parallel_imap_unordered(abs, range(1000), max_parallel=2)
print(next(results) >= 0)
"""


def test_a_suspended_generator_ends_with_the_interpreter(printed_by: PrintedBy) -> None:
    assert printed_by(SUSPENDED_AT_THE_END) == "True\n"


FORKS_IN_THE_LOOP = """
import os, sys, time
from headrace.parallel import parallel_imap_unordered

def work(x):
    time.sleep(0.05)
    return x

seen = 0
for _ in parallel_imap_unordered(work, range(6), max_parallel=2):
    seen += 1
    if seen == 1:
        pid = os.fork()
        if pid == 0:
            sys.exit(0)
        os.waitpid(pid, 0)
print(seen)
"""


def test_a_process_forked_by_the_user_leaves_the_workers_alone(printed_by: PrintedBy) -> None:
    assert printed_by(FORKS_IN_THE_LOOP) == "6\n"


def test_a_generator_outlives_the_thread_that_began_it() -> None:
    def work(x: int) -> int:
        time.sleep(0.02)
        return x

    results = parallel_imap_unordered(work, range(6), max_parallel=2)
    seen: List[int] = []
    thread = threading.Thread(target=lambda: seen.append(next(results)))
    thread.start()
    thread.join()
    assert sorted(seen + list(results)) == list(range(6))


@pytest.mark.parametrize("items", [range(4), iter(range(4))], ids=["sequence", "iterator"])
def test_an_interrupt_between_a_fork_and_taking_note_of_it(items: Any, another_thread: None, monkeypatch: pytest.MonkeyPatch) -> None:
    quietly = fork._fork_quietly

    def interrupted_fork() -> int:
        pid = quietly()
        if pid != 0:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        return pid

    monkeypatch.setattr(fork, "_fork_quietly", interrupted_fork)
    with pytest.raises(KeyboardInterrupt):
        parallel_map(abs, items, max_parallel=2)


def test_a_second_interrupt_as_a_call_begins_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    end, interrupts = Pool.end, iter([KeyboardInterrupt(), KeyboardInterrupt()])

    def interrupted_end(self: Pool) -> None:
        for interrupt in interrupts:
            raise interrupt
        end(self)

    monkeypatch.setattr(Pool, "end", interrupted_end)
    with pytest.raises(KeyboardInterrupt):
        parallel_map(lambda x: 1 // x, range(2))


def test_a_pool_that_has_not_begun_holds_nothing() -> None:
    before = os.listdir("/proc/self/fd")
    made = Pool(abs, Source([1]), 1, "parallel_map")
    assert os.listdir("/proc/self/fd") == before
    made.end()


def test_held_signals_are_handled_once_each_and_in_order(another_thread: None) -> None:
    from headrace.parallel.held import Held

    handled: List[int] = []

    def handle(number: int, _: Any) -> None:
        handled.append(number)
        raise TimeoutError(number)

    before = {number: signal.signal(number, handle) for number in (signal.SIGALRM, signal.SIGINT)}
    try:
        with pytest.raises(TimeoutError):
            with Held():
                for number in (signal.SIGALRM, signal.SIGINT, signal.SIGALRM):
                    os.kill(os.getpid(), number)
                    time.sleep(0.01)
                assert handled == []
        assert handled == [signal.SIGALRM, signal.SIGINT]
        assert [signal.getsignal(number) for number in before] == [handle, handle]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def reap_all(*_: Any) -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


@pytest.mark.parametrize("handler", [signal.SIG_IGN, reap_all])
def test_somebody_else_may_wait_for_the_workers(handler: Any) -> None:
    before = signal.signal(signal.SIGCHLD, handler)
    try:
        for items in ([1, 2], iter([1, 2])):
            assert parallel_map(abs, items, max_parallel=2) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            parallel_map(lambda x: signal.pause() if x else 1 // x, range(2), max_parallel=2)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_worker_that_has_ended_and_gone_before_it_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.pidfd_open

    def too_late(pid: int) -> int:
        if pid == os.getpid():
            return opened(pid)
        os.waitpid(pid, 0)
        raise ProcessLookupError

    monkeypatch.setattr(os, "pidfd_open", too_late)
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda x: 1 // x, [0], max_parallel=1)


def test_a_worker_that_cannot_be_watched_is_not_left(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.pidfd_open
    calls: List[int] = []

    def fails_at_the_second(pid: int) -> int:
        calls.append(pid)
        if len(calls) == 2:
            raise OSError(24, "Too many open files")
        return opened(pid)

    monkeypatch.setattr(os, "pidfd_open", fails_at_the_second)
    with pytest.raises(OSError, match="Too many open files"):
        parallel_map(abs, range(8), max_parallel=3)
    gc.collect()


def test_an_interrupt_that_the_parent_ignores_is_ignored_by_workers() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert parallel_map(lambda x: os.kill(os.getpid(), signal.SIGINT), range(2)) == [None, None]
    finally:
        signal.signal(signal.SIGINT, before)


def test_workers_that_leave_while_they_are_idle_are_missed() -> None:
    def work(x: int) -> int:
        if x == 0:
            threading.Timer(0.05, lambda: os._exit(0)).start()
        return x

    results = parallel_imap_unordered(work, range(1000), max_parallel=1)
    next(results)
    time.sleep(0.2)
    with pytest.raises(WorkerDied, match="all workers have left|exited with code 0"):
        list(results)


def test_what_a_killed_worker_has_started_is_killed_too() -> None:
    reading, writing = os.pipe()

    def work(x: int) -> None:
        if x == 0:
            with subprocess.Popen(["sleep", "100"], pass_fds=[writing]):
                os.write(writing, b"begun")
        while not select.select([reading], [], [], 1)[0]:
            pass
        raise ValueError("while the other one has a process")

    try:
        with pytest.raises(ValueError):
            parallel_map(work, range(2), max_parallel=2)
        os.close(writing)
        assert os.read(reading, 100) == b"begun"
        assert select.select([reading], [], [], 5)[0] and os.read(reading, 100) == b""  # the last holder of the pipe is gone
    finally:
        os.close(reading)


FUNCTION_FORKS = """
import os, sys
from headrace.parallel import parallel_map

def work(x):
    pid = os.fork()
    if pid:
        return x, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    print("in the fork", end=" ")
    %s

print(parallel_map(work, %s, max_parallel=2))
"""


@pytest.mark.parametrize("items", ["range(3)", "iter(range(3))"])
@pytest.mark.parametrize("leave, code, said", [
    ("return 'from the fork'", 0, ""), ("sys.exit(3)", 3, ""), ("sys.exit('a text')", 1, "a text"),
    ("raise ValueError('in the fork')", 1, "ValueError: in the fork"),
])
def test_a_process_that_the_function_forks_is_no_worker(leave: str, code: int, said: str, items: str, start: Start) -> None:
    with start(FUNCTION_FORKS % (leave, items)) as program:
        try:
            out, err = program.communicate(timeout=20)
        finally:
            program.kill()
    assert out == "in the fork " * 3 + repr([(x, code) for x in range(3)]) + "\n"
    assert err.count(said or "Traceback") == (3 if said else 0)


CALLS_IN_TWO_THREADS = """
import os, signal, threading, time
from headrace.parallel import parallel_map

os.register_at_fork(before=lambda: time.sleep(0.05))  # So that each call has begun when the workers of the other are forked.
def begin(call):
    def work(x):
        if x in (0, 1):
            os.write(writing, b"%%d" %% call)
        time.sleep(0.02)
        return bytes(40000)

    parallel_map(work, %s, max_parallel=1)

reading, writing = os.pipe()
for call in range(2):
    threading.Thread(target=begin, args=(call,)).start()
said = b""
while not (said.count(b"0") == said.count(b"1") == 2):
    said += os.read(reading, 4)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("items", ["range(10**6)", "(x for x in range(10**6))"], ids=["sequence", "iterator"])
def test_workers_of_calls_in_two_threads_end_with_their_parent(items: str, start: Start) -> None:
    with start(CALLS_IN_TWO_THREADS % items) as program:
        assert program.communicate(timeout=10) == ("", "")  # the last holder of the pipes is gone


@pytest.mark.parametrize("items", [range(6), iter(range(6))], ids=["sequence", "iterator"])
def test_a_function_may_use_up_the_descriptors(items: Any) -> None:
    def work(x: int) -> bytes:
        resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
        return bytes(x * 100_000)

    assert list(map(len, parallel_map(work, items, max_parallel=2))) == [x * 100_000 for x in range(6)]


def lacks(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.ENOSYS, "Function not implemented")

    if what == "functions of Python":  # The kernel has them.
        monkeypatch.delattr(os, "memfd_create")
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.delattr(signal, "pidfd_send_signal")
    if what == "processes":
        monkeypatch.setattr(os, "pidfd_open", refuse)
    if what == "memory files":
        monkeypatch.setattr(os, "memfd_create", refuse)
        monkeypatch.setattr(system, "_MEMFD_CREATE", {})


@pytest.mark.parametrize("what", ["functions of Python", "processes", "memory files"])
def test_kernels_and_builds_that_lack_something(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lacks(monkeypatch, what)

    def die(x: int) -> None:
        if x == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()

    for items in (range(50), iter(range(50))):
        assert parallel_map(lambda x: (x, bytes(x * 5000)), items, max_parallel=2) == [(x, bytes(x * 5000)) for x in range(50)]
    assert parallel_map(len, (bytearray(100_000) for _ in range(3))) == [100_000] * 3
    for items in (range(2), iter(range(2))):
        with pytest.raises(WorkerDied, match="SIGKILL at item 0"):
            parallel_map(die, items, max_parallel=2)
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda x: signal.pause() if x else 1 // x, range(2), max_parallel=2)


def test_a_worker_without_a_descriptor_of_its_parent_ends_with_it(start: Start) -> None:
    script = (CALLS_IN_TWO_THREADS % "range(10**6)").replace("parallel_map\n", "parallel_map\ndel os.pidfd_open\n", 1)
    script = script.replace("del os.pidfd_open", "from headrace.parallel import system\nsystem._PIDFD_OPEN = -1\ndel os.pidfd_open")
    with start(script) as program:
        assert program.communicate(timeout=10) == ("", "")


@pytest.mark.parametrize("membership, file, text", [
    ("0::/a/b\n", "a/b/memory.events", "low 0\noom 2\noom_kill 3\n"),
    ("0::/outside\n", "memory.events", "oom_kill 3\n"),
    ("9:memory:/a\n0::/\n", "memory/a/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    ("9:memory:/outside\n0::/\n", "memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
    ("9:cpu:/\n0::/a\n", "unified/a/memory.events", "oom_kill 3\n"),
    ("9:memory:/a\n", "memory/a/memory.oom_control", "oom_kill_disable 0\n"),
])
def test_kills_for_want_of_memory_are_counted(membership: str, file: str, text: str, tmp_path: Path) -> None:
    tmp_path.joinpath("membership").write_text(membership)
    tmp_path.joinpath(file).parent.mkdir(parents=True, exist_ok=True)
    tmp_path.joinpath(file).write_text(text)
    assert ends.oom_kills(str(tmp_path), str(tmp_path / "membership")) == (3 if "oom_kill " in text else 0)


WANTS_MEMORY = """
from headrace.parallel import parallel_map

try:
    parallel_map(lambda x: len(b"x" * (400 << 20)), range(2), max_parallel=1)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_worker_that_is_killed_for_want_of_memory(start: Start) -> None:
    with memory_group(100 << 20) as group:
        enter = 'open(%r, "w").write(str(__import__("os").getpid()))\n' % str(group / "cgroup.procs")
        with start(enter + WANTS_MEMORY) as program:
            said, _ = program.communicate(timeout=30)
    assert said.startswith("WorkerDied") and "SIGKILL at item 0" in said
    assert "for want of memory: fewer workers (max_parallel) need less" in said


@pytest.mark.parametrize("thread", [False, True])
def test_a_function_may_use_the_alarm_of_the_step(thread: bool) -> None:
    class Late(Exception):
        pass

    def ring(*_: Any) -> None:
        raise Late

    def work(x: int) -> str:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            time.sleep(10)
            return "done"
        except Late:
            return "late"

    before = signal.signal(signal.SIGALRM, ring)
    results: List[str] = []
    try:
        caller = threading.Thread(target=lambda: results.extend(parallel_map(work, range(3), max_parallel=2)))
        caller.run() if not thread else (caller.start(), caller.join())
        assert results == ["late"] * 3
    finally:
        signal.signal(signal.SIGALRM, before)


def test_handlers_of_the_step_are_not_run_in_workers() -> None:
    from headrace.decorators.timeout import TimeoutDecorator

    handlers = {number: signal.getsignal(number) for number in (signal.SIGALRM, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGALRM, TimeoutDecorator()._sigalrm_handler)
        signal.signal(signal.SIGTERM, lambda *_: None)
        assert parallel_map(signal.getsignal, [signal.SIGALRM, signal.SIGTERM]) == [signal.SIG_DFL] * 2
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def cleaning(folder: Path, work: Callable[[int], None]) -> Callable[[int], None]:
    """With a temporary folder for each item."""

    def wrapped(x: int) -> None:
        with tempfile.TemporaryDirectory(dir=folder):
            while len(os.listdir(folder)) < 2:
                time.sleep(0.01)
            work(x)

    return wrapped


@pytest.mark.parametrize("items", [range(2), iter(range(2))], ids=["sequence", "iterator"])
def test_a_function_cleans_up_when_another_item_fails(items: Any, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        parallel_map(cleaning(tmp_path, lambda x: signal.pause() if x else 1 // x), items, max_parallel=2)
    assert os.listdir(tmp_path) == []
    assert time.monotonic() - began < pool.CLEAN_UP_S


@pytest.mark.parametrize("whom", ["the parent", "all"])
def test_a_function_cleans_up_when_the_call_is_interrupted(whom: str, tmp_path: Path, start: Start) -> None:
    script = """
import os, signal, sys, tempfile, time
from headrace.parallel import parallel_map
signal.signal(signal.SIGINT, signal.default_int_handler)
os.setpgid(0, 0)
def work(x):
    with tempfile.TemporaryDirectory(dir=%r):
        try:
            print("begun", flush=True)
            time.sleep(60)
        finally:
            time.sleep(0.2)
try:
    parallel_map(work, range(2), max_parallel=2)
except KeyboardInterrupt:
    print("interrupted")
"""
    with start(script % str(tmp_path)) as program:
        assert program.stdout is not None
        assert [program.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
        (os.killpg if whom == "all" else os.kill)(program.pid, signal.SIGINT)
        said, errors = program.communicate(timeout=10)
        assert said.endswith("interrupted\n") and errors == ""
    assert os.listdir(tmp_path) == []


def test_a_function_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    def work(x: int) -> None:
        if x == 0:
            raise ValueError
        while True:
            with contextlib.suppress(KeyboardInterrupt):
                time.sleep(60)

    began = time.monotonic()
    with pytest.raises(ValueError):
        parallel_map(work, range(2), max_parallel=2)
    assert time.monotonic() - began < 5 * pool.CLEAN_UP_S


def test_a_function_in_c_code_is_not_waited_for() -> None:
    def work(x: int) -> None:
        if x == 0:
            raise ValueError
        sum(itertools.repeat(1, 10**9))

    began = time.monotonic()
    with pytest.raises(ValueError):
        parallel_map(work, range(2), max_parallel=2)
    assert time.monotonic() - began < pool.CLEAN_UP_S


def test_a_second_interrupt_ends_the_cleaning_up() -> None:
    parent = os.getpid()

    def work(x: int) -> None:
        try:
            os.kill(parent, signal.SIGINT)
            time.sleep(60)
        finally:
            os.kill(parent, signal.SIGINT)
            time.sleep(60)

    pool.CLEAN_UP_S, before = 30.0, pool.CLEAN_UP_S
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            parallel_map(work, [1], max_parallel=1)
    finally:
        pool.CLEAN_UP_S = before
    assert time.monotonic() - began < 10
