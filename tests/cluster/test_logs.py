"""Lines of a pod: live, marked, stored, complete."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import Any

import pytest
from api import Namespace, running
from bed import Cluster
from flows import one_step
from place import PodPlace


def test_lines_are_shown_within_two_seconds(place: PodPlace, live: Any) -> None:
    place.flow("talks.py", one_step("""
        for number in range(5):
            print("said at", time.time(), flush=True)
            time.sleep(0.7)
    """))
    run = live("talks.py")
    assert run.end().code == 0
    late = [when - float(line.split()[-1]) for when, line in run.stdout if "said at" in line]
    assert len(late) == 5 and max(late) < 2, late
    assert all(re.search(r"\[\d+/start/1 \(pid \d+\)\] \[pod hr-start-\S+\] said at", line) for _, line in run.stdout if "said at" in line)


def test_both_streams_are_stored_without_the_mark(place: PodPlace) -> None:
    place.flow("talks.py", one_step("print('out \\u00e4')\nprint('err', file=sys.stderr)\nsys.stdout.write('no newline')"))
    ran = place.run("talks.py")
    assert ran.code == 0, ran
    out = place("talks.py", "logs", "--stdout", "%s/start" % ran.run_id)
    err = place("talks.py", "logs", "--stderr", "%s/start" % ran.run_id)
    assert out.stdout.rstrip("\n") == "out \u00e4\nno newline", out
    assert "err" in err.stdout + err.stderr and "[pod " not in out.stdout + err.stdout


def test_a_hundred_thousand_lines_arrive_whole_and_in_order(place: PodPlace) -> None:
    place.flow("many.py", one_step("for number in range(100000):\n    print('line', number)", pods="@kubernetes(memory=500)"))
    ran = place.run("many.py")
    assert ran.code == 0, ran
    logs = place("many.py", "logs", "--stdout", "%s/start" % ran.run_id)
    assert logs.stdout.splitlines() == ["line %d" % number for number in range(100000)]


@pytest.mark.usefixtures("our_bed")
def test_nothing_is_lost_when_agent_and_task_are_killed_together(place: PodPlace, namespace: Namespace, live: Any,
                                                                 our_bed: Cluster) -> None:
    """As the kernel does with cgroup v2 when memory runs out: SIGKILL to every process of the container at once."""
    place.flow("dies.py", one_step("""
        for number in range(2000):
            print("line", number, flush=True)
        print("last words", flush=True)
        time.sleep(600)
    """))
    run = live("dies.py")
    run_id = run.run_id
    namespace.wait_for_pod(running, "a running pod", run_id)
    run.wait_for(r"last words")
    kill_containers(namespace, run_id)
    ran = run.end()
    assert ran.code == 1
    logs = place("dies.py", "logs", "--stdout", "%s/start" % run_id)
    assert logs.stdout.splitlines()[:2001] == ["line %d" % number for number in range(2000)] + ["last words"]


def kill_containers(namespace: Namespace, run_id: str) -> None:
    """Every process in the control groups of the run's pods, at once."""
    pids = []
    for pod in namespace.pods(run_id):
        found = subprocess.run(["find", "/sys/fs/cgroup", "-path", "*pod%s*" % pod["metadata"]["uid"], "-name", "cgroup.procs",
                                "-exec", "cat", "{}", "+"], stdout=subprocess.PIPE, text=True).stdout
        pause = {pid for pid in found.split() if "/pause" in open("/proc/%s/cmdline" % pid).read()}
        pids += sorted(set(found.split()) - pause)
    assert pids
    for pid in pids:
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass  # it went with its container's first process
