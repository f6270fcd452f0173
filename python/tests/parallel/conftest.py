"""What all tests of `parallel_map` share: nothing may be left behind, and scripts that run as programs of their own."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Set

import pytest


#: No test of these takes so long: what hangs fails, with a traceback.
HANGS_S = 100


def children() -> List[int]:
    """Processes that this one has started, zombies and those of its children too."""
    below: Dict[int, List[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry) as file:
                    below.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except OSError:
                continue
    found, new = [], below.get(os.getpid(), [])
    while new:
        found += new
        new = [child for parent in new for child in below.get(parent, [])]
    return found


def held() -> Set[str]:
    """Descriptors, files, and mappings that this process shares with others."""
    files = {os.path.join(folder, name) for folder in ("/dev/shm", tempfile.gettempdir()) for name in os.listdir(folder)
             if name.startswith(("parallel_map", "psm_", "pymp-"))}
    with open("/proc/self/maps") as maps:
        shared = {line.split()[0] for line in maps if line.split()[1].endswith("s")}
    return set(os.listdir("/proc/self/fd")) | files | shared


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Also: Ctrl-C interrupts, even where a shell has started the tests in the background with SIGINT ignored."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    before, processes = held(), set(children())
    faulthandler.dump_traceback_later(HANGS_S, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    if held() - before:
        gc.collect()
    # Children of other tests may end meanwhile.
    assert (set(children()) - processes, held() - before) == (set(), set())
    signal.signal(signal.SIGINT, interrupt)


@pytest.fixture
def start() -> Callable[[str], "subprocess.Popen[str]"]:
    """Starts a script; with buffered output, which is what programs have when they print into a pipe."""
    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]))
    env.pop("PYTHONUNBUFFERED", None)
    return lambda script: subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                           text=True, env=env)


@pytest.fixture
def printed_by(start: Callable[[str], "subprocess.Popen[str]"]) -> Callable[[str], str]:
    """What a script prints. It ends, in good order, and says nothing on stderr."""

    def run(script: str) -> str:
        with start(script) as program:
            try:
                out, err = program.communicate(timeout=30)
            finally:
                program.kill()
        assert (program.returncode, err) == (0, "")
        return out

    return run
