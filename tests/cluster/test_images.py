"""What an image must have: `python3`, and nothing else."""

from __future__ import annotations

import re
import sys
import time
from typing import Any

import pytest
from api import Namespace
from bed import Cluster
from flows import one_step
from place import IMAGE, PodPlace

pytestmark = pytest.mark.usefixtures("our_bed")


def pod_with(text: str) -> str:
    return "@kubernetes(image='%s')" % text


def test_no_shell_and_no_other_program(place: PodPlace) -> None:
    place.flow("bare.py", one_step("print('shell', os.path.exists('/bin/sh'))", pods=pod_with("python-noshell:3.11")))
    ran = place.run("bare.py")
    assert ran.code == 0, ran
    assert "shell False" in ran.stdout


def test_another_python_gets_a_warning(place: PodPlace, namespace: Namespace) -> None:
    place.flow("other.py", one_step("self.version = sys.version_info[:2]\nprint('python', self.version)", pods=pod_with("python:3.13")))
    ran = place.run("other.py")
    assert ran.code == 0, ran
    assert "python (3, 13)" in ran.stdout
    assert re.search(r"this pod runs Python 3\.13, and the run was started with Python %d\.%d.*may not load" % sys.version_info[:2],
                     ran.stdout), ran


def test_no_python_is_one_error_at_once(place: PodPlace, live: Any) -> None:
    place.flow("none.py", one_step("pass", "@retry(times=3, minutes_between_retries=0)", pods=pod_with("ubuntu:latest")))
    run = live("none.py")
    began = time.time()
    ran = run.end()
    assert ran.code == 1
    assert time.time() - began < 60, "it waited"
    assert "image `ubuntu:latest` has no `python3`" in ran.stdout, ran
    assert ran.stdout.count("Task failed.") == 1, "no other attempt can help: %r" % ran


def test_an_image_that_does_not_exist(place: PodPlace) -> None:
    place.flow("missing.py", one_step("pass", pods=pod_with("nowhere/nothing:1")))
    began = time.time()
    ran = place.run("missing.py")
    assert ran.code == 1
    assert time.time() - began < 60
    assert "nowhere/nothing:1" in ran.stderr, ran
    assert re.search(r"not found", ran.stderr), ran


def test_an_image_that_does_not_exist_is_caught(place: PodPlace) -> None:
    place.flow("caught.py", one_step("pass", "@catch(var='why')", "@retry(times=3, minutes_between_retries=0)",
                                     pods=pod_with("nowhere/nothing:1")))
    ran = place.run("caught.py")
    assert ran.code == 0, ran
    assert "This failed task will not be retried." in ran.stdout
    assert ran.stdout.count("Task failed.") == 1, ran
    assert "kept failing over 1 attempts" in ran.stdout, ran


def test_another_executable_is_used_when_named(place: PodPlace) -> None:
    place.flow("named.py", one_step("print('it is', sys.executable)",
                                    pods="@kubernetes(image='%s', executable='/usr/bin/python3')" % IMAGE))
    ran = place.run("named.py")
    assert ran.code == 0, ran
    assert "it is /usr/bin/python3" in ran.stdout


@pytest.mark.parametrize("uid", [1000, 65534, 4000000])
def test_any_user_will_do(place: PodPlace, uid: int, our_bed: Cluster) -> None:
    place.flow("user.py", one_step("print('uid', os.getuid())", pods="@kubernetes(security_context={'run_as_user': %d})" % uid))
    ran = place.run("user.py")
    assert ran.code == 0, ran
    assert "uid %d" % uid in ran.stdout
