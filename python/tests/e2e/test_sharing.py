"""Tasks are copies of one process: what they must not have in common."""

from __future__ import annotations

import subprocess
import sys

from e2e_place import Place

TWO_STEPS = """
import multiprocessing, os
from metaflow import FlowSpec, IncludeFile, current, retry, step

%s

class F(FlowSpec):
    %s

    @retry(times=1, minutes_between_retries=0)
    @step
    def start(self):
%s
        self.next(self.end)

    @step
    def end(self):
%s

if __name__ == "__main__":
    F()
"""


def two_steps(top: str, start: str, end: str = "pass", attribute: str = "pass") -> str:
    indented = ["\n".join("        " + line for line in body.splitlines()) for body in (start, end)]
    return TWO_STEPS % (top, attribute, *indented)


def test_each_task_reads_from_where_import_stopped(place: Place) -> None:
    (place.folder / "data.txt").write_text("first\nsecond\n")
    place.flow("f.py", two_steps("FILE = open('data.txt')\nLIST = os.scandir('.')", "print(FILE.readline(), len(list(LIST)) > 0)",
                                 "print(FILE.readline(), len(list(LIST)) > 0)"))
    ran = place.run("f.py")
    assert ran.code == 0, ran
    assert ran.stdout.count("first") == 2 and ran.stdout.count("True") == 2, ran


def test_a_lock_is_not_held_for_ever_by_a_task_that_was_killed(place: Place) -> None:
    place.flow("f.py", two_steps("LOCK = multiprocessing.Lock()",
                                 "with LOCK:\n    if current.retry_count == 0:\n        os.kill(os.getpid(), 9)"))
    ran = place.run("f.py")
    assert ran.code == 0, ran


def test_what_a_step_has_forked_stores_nothing(place: Place) -> None:
    place.flow("f.py", two_steps("", "pid = os.fork()\nif pid == 0:\n    raise SystemExit(0)\nos.waitpid(pid, 0)\nself.x = 2", "print('x', self.x)"))
    ran = place.run("f.py")
    assert ran.code == 0 and "x 2" in ran.stdout, ran


def test_the_run_is_in_the_environment(place: Place) -> None:
    place.flow("f.py", two_steps("", "print('mine', os.environ['METAFLOW_RUN_ID'] == current.run_id)"))
    assert "mine True" in place.run("f.py").stdout


def test_the_file_to_include_may_be_named_by_a_function(place: Place) -> None:
    (place.folder / "data.txt").write_text("inside")
    place.flow("f.py", two_steps("", "print(self.t)", attribute="t = IncludeFile('t', default=lambda context: 'data.txt')"))
    ran = place.run("f.py")
    assert ran.code == 0 and "inside" in ran.stdout, ran


def test_a_step_may_reconfigure_its_output_where_the_runs_goes_to_a_file(place: Place) -> None:
    place.flow("f.py", two_steps("import sys\nOUT = sys.stdout", "sys.stdout.reconfigure(encoding='utf-8')\nprint('h\u00e9')\nprint('held', file=OUT)",
                                 "print('seekable', sys.stdout.seekable(), sys.__stdout__ is sys.stdout)"))
    with open(place.folder / "output", "w") as output:
        subprocess.run([sys.executable, "f.py", "run"], cwd=place.folder, env=place.env, stdout=output, check=True, timeout=60)
    text = (place.folder / "output").read_text()
    assert "h\u00e9" in text and "held" in text and "seekable False True" in text
