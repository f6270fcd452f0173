"""What all tests of `parallel_map` share: nothing may be left behind, and scripts that run as programs of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Callable, Iterator, List

import pytest


def children() -> List[int]:
    """Processes whose parent is this one, zombies too."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry) as file:
                    if int(file.read().rsplit(")", 1)[1].split()[1]) == os.getpid():
                        found.append(int(entry))
            except OSError:
                continue
    return found


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Also: Ctrl-C interrupts, even where a shell has started the tests in the background with SIGINT ignored."""
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = (set(children()), sorted(os.listdir("/proc/self/fd")))
    yield
    # Children of other tests may end meanwhile.
    assert (set(children()) - before[0], sorted(os.listdir("/proc/self/fd"))) == (set(), before[1])
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
