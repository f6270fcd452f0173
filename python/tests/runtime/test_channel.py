"""Channels: threads, forks, signals, broken connections; wire samples read and written."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import signal
import socket
import sys
import threading
import time
from typing import Any, Iterator, Tuple

import pytest

from fake_engine import Connection, Refusal, Server
from headrace import channel as channel_module
from headrace.channel import Channel, Door, decode_frame, encode_frame
from headrace.errors import EngineError, EngineMissing

SAMPLES = pathlib.Path(__file__).resolve().parents[3] / "tests" / "wire"


class EchoServer(Server):
    """Answers with what it gets; `wait` answers when `release` was asked."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.waited_for = threading.Event()
        super().__init__()
        self.in_background = {"wait"}

    def op_echo(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        return {"value": fields["value"]}, payload

    def op_wait(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        self.waited_for.set()
        assert self.released.wait(60)
        return {}, b"waited"

    def op_release(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        self.released.set()
        return {}, b""

    def op_refuse(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        raise Refusal("no", "denied", "because")

    def op_hang_up(self, connection: Connection, fields: Any, payload: bytes) -> Tuple[Any, bytes]:
        connection.stream.shutdown(socket.SHUT_RDWR)
        raise ConnectionError


@pytest.fixture
def server() -> Iterator[EchoServer]:
    server = EchoServer()
    yield server
    server.close()


@pytest.fixture
def channel(server: EchoServer) -> Iterator[Channel]:
    door = server.make_door()
    channel = Channel(lambda: door)
    yield channel
    channel.close()
    door.close()


def test_request_and_payload(channel: Channel) -> None:
    reply = channel.request("echo", b"\x00\xff" * 300000, value={"é": ["\U0001f600", None, 2**53]})
    assert reply["value"] == {"é": ["\U0001f600", None, 2**53]}
    assert bytes(reply.payload) == b"\x00\xff" * 300000
    with pytest.raises(EngineError, match="lacks the field `nothing`"):
        reply["nothing"]


def test_refusal_has_its_parts(channel: Channel) -> None:
    with pytest.raises(EngineError) as caught:
        channel.request("refuse")
    error = caught.value
    assert (error.kind, error.what, error.where, error.why, error.next) == ("denied", "no", "fake engine", "because", "")
    assert error.message == "no\nwhere: fake engine\nwhy: because"


def test_a_slow_answer_holds_up_nobody(channel: Channel, server: EchoServer) -> None:
    slow = []
    thread = threading.Thread(target=lambda: slow.append(bytes(channel.request("wait").payload)))
    thread.start()
    for i in range(50):
        assert channel.request("echo", value=i)["value"] == i
    assert not slow
    channel.request("release")
    thread.join(60)
    assert slow == [b"waited"] and len(server.connected_pids) == 1


def test_many_threads_share_one_connection(channel: Channel, server: EchoServer) -> None:
    failures = []

    def work(number: int) -> None:
        for i in range(100):
            value = "%d.%d" % (number, i)
            reply = channel.request("echo", value.encode() * 50, value=value)
            if reply["value"] != value or bytes(reply.payload) != value.encode() * 50:
                failures.append((value, reply["value"]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures and len(server.connected_pids) == 1


def _in_child(function: Any) -> int:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_child_opens_its_own(channel: Channel, server: EchoServer) -> None:
    channel.request("echo", value=0)

    def child() -> None:
        assert channel.request("echo", value=os.getpid())["value"] == os.getpid()

        def grandchild() -> None:
            assert channel.request("echo", value="g")["value"] == "g"

        assert _in_child(grandchild) == 0

    assert _in_child(child) == 0
    assert channel.request("echo", value=1)["value"] == 1
    assert len(set(server.connected_pids)) == 3 and server.connected_pids[0] == os.getpid()


def test_fork_while_a_thread_holds_the_channel(channel: Channel, server: EchoServer) -> None:
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            channel.request("echo", value=1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(20):
            assert _in_child(lambda: channel.request("echo", value=2)) == 0
    finally:
        stop.set()
        thread.join(60)


def _pool_work(value: int) -> int:
    return int(channel_module.engine_channel().request("echo", value=value)["value"])


def test_multiprocessing_pool(server: EchoServer) -> None:
    channel_module.attach(server.make_door())
    try:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(_pool_work, range(10)) == list(range(10))
    finally:
        channel_module._engine.close()
        channel_module._engine = None
    with pytest.raises(EngineError, match="not a task"):
        channel_module.engine_channel()


class Alarm(Exception):
    pass


def test_an_exception_from_a_signal_leaves_the_channel_usable(channel: Channel, server: EchoServer) -> None:
    def ring(signum: int, frame: Any) -> None:
        raise Alarm()

    def ring_once_it_waits() -> None:
        assert server.waited_for.wait(60)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGALRM)

    before = signal.signal(signal.SIGALRM, ring)
    try:
        threading.Thread(target=ring_once_it_waits).start()
        with pytest.raises(Alarm):
            channel.request("wait")
        # The late answer comes in front of the next one and is dropped.
        channel.request("release")
        for i in range(20):
            assert channel.request("echo", value=i)["value"] == i
        assert len(server.connected_pids) == 1
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_exception_at_any_line_leaves_the_channel_usable(channel: Channel) -> None:
    """What a signal's handler raises can come at nearly each of them. Not at those that do no more than to take or give back a lock
    or to begin a `try`: Python handles no signal there."""
    done = []
    source = [""] + pathlib.Path(channel_module.__file__).read_text().splitlines()
    lines_left = 0

    def raise_at_line(frame: Any, event: str, argument: Any) -> Any:
        nonlocal lines_left
        if frame.f_code.co_filename != channel_module.__file__:
            return None
        if event == "line" and not source[frame.f_lineno].strip().startswith(("with self._", "try:")):
            lines_left -= 1
            if lines_left == 0:
                raise Alarm("%s, line %d" % (frame.f_code.co_name, frame.f_lineno))
        return raise_at_line

    def ask() -> None:
        done.append(channel.request("echo", value=len(done))["value"])

    channel.request("echo", value=0)
    for line in range(1, 1000):
        lines_left = line
        sys.settrace(raise_at_line)
        try:
            channel.request("echo", value=line)
            break
        except (Alarm, EngineError) as error:
            ended_by = error
        finally:
            sys.settrace(None)
        for _ in range(3):
            thread = threading.Thread(target=ask, daemon=True)
            thread.start()
            thread.join(20)
            assert not thread.is_alive(), "the request after one that was ended by %r hangs" % ended_by
    assert 50 < line < 1000 and done == list(range(len(done)))


def test_to_the_end_waits_before_it_raises(channel: Channel, server: EchoServer) -> None:
    def ring(signum: int, frame: Any) -> None:
        threading.Thread(target=lambda: channel.request("release")).start()
        raise Alarm()

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(Alarm):
            channel.request("wait", to_the_end=True)
        assert server.released.is_set()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_broken_connection_is_an_error_and_the_next_request_makes_a_new_one(
    channel: Channel, server: EchoServer
) -> None:
    with pytest.raises(EngineError, match="connection to the engine was lost"):
        channel.request("hang_up")
    assert channel.request("echo", value=1)["value"] == 1
    assert len(server.connected_pids) == 2


def test_nobody_behind_the_door() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    door = Door(ours.detach())
    channel = Channel(lambda: door)
    with pytest.raises(EngineError, match="connection to the engine was lost"):
        channel.request("echo", value=1)
    channel.close()
    door.close()


@pytest.mark.parametrize("name", ["attempt_requests.json", "begin_answers.json"])
def test_wire_samples_go_through_frames(name: str) -> None:
    for i, message in enumerate(json.loads((SAMPLES / name).read_text("utf-8"))):
        frame = encode_frame(i, message, 3) + b"abc"
        assert decode_frame(frame) == (i, message, b"abc")


def test_a_text_that_is_not_utf8_is_named() -> None:
    assert decode_frame(encode_frame(1, {"a": ["\U0001f600", {"é": "\\ud"}]}))[1] == {"a": ["\U0001f600", {"é": "\\ud"}]}
    for fields in ({"root": "/x\udcff"}, {"a": [{"b": ("y", "/x\udcff")}]}, {"/x\udcff": 1}):
        with pytest.raises(EngineError, match=r"'/x\\udcff' is not UTF-8"):
            encode_frame(1, fields)


@pytest.mark.parametrize("damage", [b"", b"\x01" * 23, b"\xff" * 30, encode_frame(1, {}, 5) + b"abc"])
def test_damaged_frames_are_refused(damage: bytes) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        decode_frame(damage)


def test_engine_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    from headrace.engine import check_wire, engine_path

    monkeypatch.setenv("HEADRACE_ENGINE", str(tmp_path / "none"))
    with pytest.raises(EngineMissing) as caught:
        engine_path()
    assert caught.value.where == str(tmp_path / "none") and "HEADRACE_ENGINE" in caught.value.next
    program = tmp_path / "headrace"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("HEADRACE_ENGINE", str(program))
    assert engine_path() == str(program)
    check_wire(1)
    with pytest.raises(EngineMissing, match="speaks version 2"):
        check_wire(2)
