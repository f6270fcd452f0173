"""What workers print: lines stay whole, and nothing is lost, whichever way it is printed."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import sys
from pathlib import Path
from typing import Any, Callable, List

import pytest

from headrace.parallel.progress import Progress

PrintedBy = Callable[[str], str]

PRINTS_LONG_LINES = """
from headrace.parallel import parallel_map

def work(x):
    for _ in range(20):
        print(str(x) * 10000)

parallel_map(work, range(4), max_parallel=4)
"""


def test_lines_stay_whole(printed_by: PrintedBy) -> None:
    assert sorted(printed_by(PRINTS_LONG_LINES).splitlines()) == sorted(str(x) * 10000 for x in range(4) for _ in range(20))


PRINTS_LONG_AND_SHORT_LINES = """
from headrace.parallel import parallel_map

def work(x):
    for _ in range(10 if x == 0 else 2000):
        print("l" * 300000 if x == 0 else "short")

parallel_map(work, range(2), max_parallel=2)
"""


def test_short_lines_do_not_cut_long_ones(printed_by: PrintedBy) -> None:
    assert set(printed_by(PRINTS_LONG_AND_SHORT_LINES).splitlines()) == {"l" * 300000, "short"}


PRINTS_IN_NESTED_CALLS = """
from headrace.parallel import parallel_map

def work(letter):
    for _ in range(10):
        print(letter * 300000)

parallel_map(lambda letter: parallel_map(work, [letter], max_parallel=1), "ab", max_parallel=2)
"""


def test_lines_of_nested_calls_stay_whole(printed_by: PrintedBy) -> None:
    assert sorted(printed_by(PRINTS_IN_NESTED_CALLS).splitlines()) == ["a" * 300000] * 10 + ["b" * 300000] * 10


PRINTS_NO_NEWLINES = """
from headrace.parallel import parallel_map

for call in range(50):
    parallel_map(lambda x: print("%d.%d" % (call, x), end=" "), range(4), max_parallel=2)
"""


def test_what_ends_without_a_newline_is_printed_too(printed_by: PrintedBy) -> None:
    assert sorted(printed_by(PRINTS_NO_NEWLINES).split()) == sorted("%d.%d" % (call, x) for call in range(50) for x in range(4))


PRINTS_BY_OTHER_NAMES = """
import ctypes, functools, sys
from headrace.parallel import parallel_map

kept = sys.stdout
libc = ctypes.CDLL(None)
print("before", end=" ")
parallel_map(lambda x: print("kept", x, file=kept), [1])
parallel_map(lambda x: print("original", x, file=sys.__stdout__), [1])
parallel_map(functools.partial(print, "partial", file=sys.stdout), [1])
libc.printf(b"C before\\n")
parallel_map(lambda x: libc.printf(b"C %d\\n", x), [1])
"""


def test_what_is_printed_by_other_names_is_not_lost(printed_by: PrintedBy) -> None:
    assert printed_by(PRINTS_BY_OTHER_NAMES).splitlines() == ["before kept 1", "original 1", "partial 1", "C before", "C 1"]


PRINTS_TO_TWO_PLACES = """
import sys, tempfile
from headrace.parallel import parallel_map

class Tee:
    def __init__(self, one, other): self.one, self.other = one, other
    def write(self, text): self.one.write(text); return self.other.write(text)
    def flush(self): self.one.flush(); self.other.flush()
    def __getattr__(self, name): return getattr(self.one, name)

with tempfile.NamedTemporaryFile("w+") as log:
    sys.stdout = Tee(sys.__stdout__, log)
    parallel_map(lambda x: print("both", x), [1])
    sys.stdout = sys.__stdout__
    print(open(log.name).read(), end="")
"""


def test_a_stream_of_the_users_own_gets_what_is_printed(printed_by: PrintedBy) -> None:
    assert printed_by(PRINTS_TO_TWO_PLACES) == "both 1\nboth 1\n"


PRINTS_IN_FORKS = """
import os, sys
from headrace.parallel import parallel_map

def work(x):
    print("worker", end=" ")
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        print("fork", end=" ", flush=True)
        os._exit(0)
    os.waitpid(pid, 0)

parallel_map(work, range(2), max_parallel=1)
"""


def test_processes_that_a_worker_forks_print_what_is_theirs(printed_by: PrintedBy) -> None:
    assert sorted(printed_by(PRINTS_IN_FORKS).split()) == ["fork", "fork", "worker", "worker"]


@pytest.mark.parametrize("odd", [
    "sys.stdout = sys.stderr = None", "sys.stderr.close()", "sys.stderr = types.SimpleNamespace(write=len, flush=lambda: None)",
])
def test_odd_streams_do_no_harm(odd: str, printed_by: PrintedBy) -> None:
    script = "import os, sys, types\nfrom headrace.parallel import parallel_map\n%s\nos.write(1, repr(parallel_map(abs, [-1])).encode())"
    assert printed_by(script % odd) == "[1]"


def test_a_terminal_that_is_gone_does_not_end_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def isatty(self) -> bool:
            return True

        def write(self, text: str) -> Any:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stderr", Gone())
    progress = Progress("parallel_map", 3)
    monkeypatch.setattr(progress, "_began", -1000.0)
    progress.show()
    assert progress.wait_ms() is None
    progress.clear()


ON_A_TERMINAL = """
import sys
from headrace.parallel import parallel_imap_unordered, parallel_map, progress

progress.SHOWN_AFTER_S, progress.REDRAWN_EVERY_MS = 0.0, 10

def work(x):
    import time
    time.sleep(0.1)
    print("item", x, flush=True)
    return x

%s
"""


def shown_by(script: str) -> List[str]:
    """The lines of a terminal of 80 columns after a script has run on it: \\r, \\n and erasing to the end of a line."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        os.execv(sys.executable, [sys.executable, "-c", ON_A_TERMINAL % script])
    said = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while said.count(b"\n") < 1000:
            said += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0
    assert "parallel" in said.decode()
    lines, line, column = [], "", 0
    for piece in re.findall(r"\x1b\[K|.|\n", said.decode().replace("\r\n", "\n"), re.DOTALL):
        if piece == "\n":
            lines.append(line.rstrip())
            line, column = "", 0
        elif piece == "\r":
            column = 0
        elif piece == "\x1b[K":
            line = line[:column]
        else:
            line = line[:column].ljust(column) + piece + line[column + 1:]
            column += 1
    return lines + [line] if line else lines


def test_lines_of_workers_take_the_place_of_the_progress_line() -> None:
    assert sorted(shown_by("parallel_map(work, range(6), max_parallel=2)")) == ["item %d" % x for x in range(6)]


def test_lines_of_the_caller_take_the_place_of_the_progress_line() -> None:
    lines = shown_by("for x in parallel_imap_unordered(lambda x: __import__('time').sleep(0.1), range(6), max_parallel=2): print('got', x)")
    assert lines == ["got None"] * 6


def test_the_progress_line_takes_nothing_away() -> None:
    assert shown_by("parallel_map(lambda x: [__import__('time').sleep(0.1), print('last', end='')], [1])") == ["last"]


def test_nested_calls_show_no_line_of_their_own() -> None:
    lines = shown_by("parallel_map(lambda x: parallel_map(work, range(3), max_parallel=1), range(2), max_parallel=2)")
    assert sorted(lines) == ["item 0", "item 0", "item 1", "item 1", "item 2", "item 2"]
