"""The examples run as their README says."""

from __future__ import annotations

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"


@pytest.mark.parametrize("name, options, said", [
    ("hello.py", (), "hello again"),
    ("big_sum.py", ("--size", "100"), "Computing it took"),
    ("big_sum_parallel.py", ("--size", "100"), "Computing it took"),
])
def test_example_runs(headrace, name: str, options: tuple, said: str) -> None:
    ran = headrace.run(EXAMPLES / name, *options)
    assert ran.code == 0, ran.stdout + ran.stderr
    assert said in ran.stdout


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    for file in EXAMPLES.glob("*.py"):
        assert "`%s`" % file.name in listed


def test_results_are_read_by_a_script(headrace) -> None:
    assert headrace.run(EXAMPLES / "big_sum.py", "--size", "100").code == 0
    read = headrace(str(EXAMPLES / "read_big_sum.py"))
    assert read.code == 0, read.stderr
    assert "successfully: True" in read.stdout
    assert "artifacts: name, size, sum, took" in read.stdout
