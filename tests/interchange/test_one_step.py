"""`init` and `step` as another scheduler types them: a run made by commands of both products, each reading what the other wrote."""

from __future__ import annotations

import base64
import re
import shutil
import zlib
from pathlib import Path
from typing import Any, List

import pytest

from products import without_noise

OWN = Path(__file__).resolve().parent / "flows"
FLOW = "by_hand.py"


FRAME = re.compile(r"> {2,}|  File |    ")


def packed(paths: str) -> str:
    """As Metaflow's scheduler gives long lists of inputs."""
    return "!" + base64.b64encode(zlib.compress(zlib.compress(paths.encode()))).decode()


def commands(run: str, alpha: int) -> List[List[str]]:
    def step(name: str, task: int, paths: str, *more: str) -> List[str]:
        return ["step", name, "--run-id", run, "--task-id", str(task), "--input-paths", paths, *more]

    return [
        ["init", "--run-id", run, "--task-id", "0", "--tag", "mine", "--alpha", str(alpha), "--text", "included.txt"],
        step("start", 2, run + "/_parameters/0", "--tag", "mine"),
        *[step("work", 3 + i, run + "/start/2", "--split-index", str(i), "--tag", "mine") for i in range(3)],
        step("join", 6, packed("%s/work/:3,4,5" % run), "--tag", "mine"),
        step("end", 7, run + "/join/6", "--tag", "mine"),
    ]


@pytest.fixture
def folder(both: Any) -> Any:
    for name in (FLOW, "included.txt"):
        shutil.copy(OWN / name, both.folder)
    return both


@pytest.mark.parametrize("order", [("headrace",), ("headrace", "metaflow"), ("metaflow", "headrace")])
def test_a_run_made_by_hand(folder: Any, order: Any) -> None:
    said = []
    for i, words in enumerate(commands("r1", 5)):
        ran = folder[order[i % len(order)]](FLOW, "--no-pylint", *words)
        assert ran.code == 0, (words, ran.stderr)
        said.append(ran.stdout)
    assert said == ["", "", "worked a5 0 3\n", "worked b5 0 4\n", "worked c5 0 5\n", "", "['a5', 'b5', 'c5'] 20\n"]
    if order[0] == "headrace":  # Metaflow's `init` tells no client of the task that it makes
        assert folder.describe("headrace", "ByHand", "r1") == folder.describe("metaflow", "ByHand", "r1")


def test_both_say_the_same(folder: Any) -> None:
    """Also of a step that fails, of one whose last attempt is a fallback, of wrong arguments, of a clone."""
    failing = ["step", "work", "--run-id", "RUN", "--task-id", "20", "--input-paths", "RUN/start/2", "--split-index", "2"]
    more = [
        failing,
        failing + ["--retry-count", "1"],
        ["step", "nowhere", "--run-id", "RUN", "--task-id", "30"],
        ["step", "end", "--task-id", "30"],
        ["step", "work", "--run-id", "RUN", "--task-id", "31", "--clone-only", "RUN/work/3"],
        ["init", "--task-id", "1"],
    ]
    seen = {}
    for product, run in (("headrace", "ours"), ("metaflow", "theirs")):
        seen[product] = []
        for words in commands(run, 13) + [[word.replace("RUN", run) for word in words] for words in more]:
            ran = folder[product](FLOW, "--no-pylint", *words)
            # Frames of the framework differ.
            stdout, stderr = ([line for line in without_noise(text.replace(run, "RUN")) if not FRAME.match(line) and line]
                              for text in (ran.stdout, ran.stderr))
            seen[product].append((words[:2], ran.code, stdout, [line for line in stderr if "datastore in" not in line]))
    for ours, theirs in zip(seen["headrace"], seen["metaflow"]):
        assert ours == theirs


def test_what_is_wrong_is_said(folder: Any) -> None:
    run = folder.headrace
    assert run(FLOW, "--no-pylint", "init", "--run-id", "r", "--task-id", "1").code == 0
    for words, told in (
        (("--input-paths", "r/join/9"), "r/join/9"),
        (("--input-paths", "x/join/9"), "of another run"),
        (("--input-paths", "join/9"), "which is no task"),
        (("--input-paths", "!nonsense"), "cannot be unpacked"),
        (("--clone-only", "r/join/9"), "task `r/join/9` cannot be cloned"),
        ((), "for the first step those of `init`"),
    ):
        ran = run(FLOW, "--no-pylint", "step", "end", "--run-id", "r", "--task-id", "1", *words)
        assert ran.code == 1 and told in ran.stderr, (words, ran.stderr)
