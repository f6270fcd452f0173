"""The generated flows of tests/matrix on pods: what the real Metaflow's Client reads of them is what it reads of a local run.

That local runs are as Metaflow's own is what tests/matrix shows. A third of its pairs is run, all with HEADRACE_MATRIX=all.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import pytest
from place import PodPlace

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "matrix"), str(TESTS / "interchange")]

from essence import essence  # noqa: E402
from shapes import flow_of, pairs, source  # noqa: E402

# @parallel with @catch is refused on pods, as Metaflow refuses it.
CHOSEN = [pair for pair in (pairs(True) if os.environ.get("HEADRACE_MATRIX") == "all" else pairs(False)[::3])
          if pair != ("parallel", "catch")]
#: Metadata that only a pod's task has.
_OF_PODS = re.compile(r"kubernetes-|code-package")


def described(python: str, place: PodPlace, flow: str, env: Dict[str, str]) -> Any:
    """The one run of `flow` that is there, as the Client of `python` tells it."""
    clean = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "HEADRACE_ENGINE")}
    told = subprocess.run([python, str(TESTS / "interchange" / "describe.py"), flow], cwd=place.folder, env=clean,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    (run,) = json.loads(told.stdout)["runs"].values()
    found = essence(run)
    for tasks in found["steps"].values():
        for task in tasks:
            task["metadata"] = [name for name in task["metadata"] if not _OF_PODS.match(name)]
    return found


@pytest.fixture(scope="session")
def peer() -> str:
    python = os.environ.get("HEADRACE_METAFLOW_PYTHON", "")
    if not python:
        pytest.skip("no real Metaflow: HEADRACE_METAFLOW_PYTHON is not set (./test sets it)")
    return python


@pytest.mark.parametrize("shape, body", CHOSEN)
def test_pods_do_what_local_tasks_do(new_place: Any, namespace: Any, peer: str, shape: str, body: str) -> None:
    here, away = new_place(namespace), new_place(namespace)
    here.env.update(METAFLOW_DEFAULT_DATASTORE="local")
    ran = []
    for place, options in ((here, ()), (away, ("--with", "kubernetes"))):
        place.flow("flow.py", source(shape, body))
        # When a task may fail, one at a time: then none of its siblings is running.
        workers = "1" if body in ("fail", "exit", "no_next") else "4"
        ran.append(place.run("flow.py", "--max-workers", workers, *options))
    assert ran[0].code == ran[1].code, ran[1]
    name = flow_of(shape, body)
    assert described(peer, here, name, here.env) == described(peer, away, name, away.env)
