"""The store process: started once for a process tree, started again when it has died, gone with its users."""

from __future__ import annotations

import os
import pathlib
import select
import subprocess
import sys
import textwrap

import pytest

from headrace.errors import EngineMissing

PYTHON = pathlib.Path(__file__).resolve().parents[2]

#: Stands for the executable: `headrace store --door-fd N` that answers every request with its pid.
STORE = """#!%s
import array, json, os, socket, sys, threading
sys.path.insert(0, %r)
from headrace.channel import encode_frame
assert sys.argv[1:3] == ["store", "--door-fd"], sys.argv
open(%r, "a").write("%%d\\n" %% os.getpid())
door = socket.socket(fileno=int(sys.argv[3]))
def serve(stream):
    while True:
        head = stream.recv(24, socket.MSG_WAITALL)
        if not head:
            return
        size = int.from_bytes(head[:8], "little")
        fields = json.loads(stream.recv(size, socket.MSG_WAITALL))
        if fields["op"] == "die":
            os._exit(0)
        stream.sendall(encode_frame(int.from_bytes(head[16:], "little"), {"ok": True, "pid": os.getpid()}))
while True:
    data, ancillary, _, _ = door.recvmsg(4096, 64)
    if not data:
        break
    fds = array.array("i", ancillary[0][2][:4])
    threading.Thread(target=serve, args=(socket.socket(fileno=fds[0]),), daemon=True).start()
"""


@pytest.fixture
def store(tmp_path: pathlib.Path) -> pathlib.Path:
    program = tmp_path / "headrace"
    log = str(tmp_path / "log")
    program.write_text(STORE % (sys.executable, str(PYTHON), log))
    program.chmod(0o755)
    return tmp_path


def run_script(store: pathlib.Path, script: str) -> str:
    environment = dict(os.environ, PYTHONPATH=str(PYTHON), HEADRACE_ENGINE=str(store / "headrace"))
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], env=environment, timeout=120, check=True,
        stdout=subprocess.PIPE, universal_newlines=True,
    )
    return done.stdout


def test_one_store_for_a_process_tree(store: pathlib.Path) -> None:
    run_script(
        store,
        """
        import multiprocessing, os, threading
        from headrace.channel import store_channel
        assert not os.path.exists(os.environ["HEADRACE_ENGINE"].replace("headrace", "log"))
        def pid(_=None):
            return store_channel().request("list", meta="", path=[])["pid"]
        mine = pid()
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert set(pool.map(pid, range(10))) == {mine}
        found = []
        threads = [threading.Thread(target=lambda: found.append(pid())) for _ in range(5)]
        for t in threads: t.start()
        for t in threads: t.join()
        assert set(found) == {mine}, found
        assert os.getpgid(mine) == mine != os.getpgid(0)
        """,
    )
    log = (store / "log").read_text().splitlines()
    assert len(log) == 1
    # Its door has no other end any more: it ends by itself.
    try:
        pidfd = os.pidfd_open(int(log[0]))
    except ProcessLookupError:
        return
    ended, _, _ = select.select([pidfd], [], [], 60)
    os.close(pidfd)
    assert ended


def test_a_dead_store_is_started_again(store: pathlib.Path) -> None:
    run_script(
        store,
        """
        import os
        from headrace.channel import store_channel
        from headrace.errors import EngineError
        first = store_channel().request("list")["pid"]
        try:
            store_channel().request("die")
        except EngineError as error:
            assert "connection to the engine was lost" in error.what
        else:
            raise AssertionError
        os.waitpid(first, 0)
        assert store_channel().request("list")["pid"] != first
        """,
    )


def test_no_executable_for_this_machine(store: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.engine import StoreDoor

    (store / "headrace").write_bytes(b"\x7fELF of another world")
    monkeypatch.setenv("HEADRACE_ENGINE", str(store / "headrace"))
    with pytest.raises(EngineMissing) as caught:
        StoreDoor().get()
    assert caught.value.where == str(store / "headrace") and caught.value.why
