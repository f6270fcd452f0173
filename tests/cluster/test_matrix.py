"""The generated flows of tests/matrix on pods: what the real Metaflow's Client reads of them is what it reads of a local run.

That local runs are as Metaflow's own is what tests/matrix shows. A third of all pairs is run, all of them with HEADRACE_CLUSTER=all.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

import pytest
from api import Namespace
from bed import Cluster
from e2e_place import Ran
from place import PodPlace

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "matrix"), str(TESTS / "interchange")]

from essence import essence, without_line, without_other_nodes  # noqa: E402
from shapes import flow_of, pairs, source  # noqa: E402

CHOSEN = pairs(True) if os.environ.get("HEADRACE_CLUSTER") == "all" else pairs(True)[::3]
#: Pods wait for their cluster more than they compute.
FLOWS_AT_ONCE = 3
#: Metadata that only a pod's task has.
_OF_PODS = re.compile(r"kubernetes-|code-package")


def described(python: str, place: PodPlace, flow: str, env: Dict[str, str], all_nodes: bool) -> Any:
    """The one run of `flow` that is there, as the Client of `python` tells it. Not `all_nodes`: of a @parallel step that failed, with what
    node 0 alone did."""
    clean = {name: value for name, value in env.items() if name not in ("PYTHONPATH", "HEADRACE_ENGINE")}
    told = subprocess.run([python, str(TESTS / "interchange" / "describe.py"), flow], cwd=place.folder, env=clean,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    (run,) = json.loads(told.stdout)["runs"].values()
    found = essence(run if all_nodes else without_line(without_other_nodes(run), "node", "in node 1"))
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


class Compared(NamedTuple):
    here: Ran
    away: Ran
    told_here: Any
    told_away: Any


@pytest.fixture(scope="session")
def flows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cluster: Cluster, s3: Dict[str, str],
          namespace: Namespace, peer: str) -> Iterator[Dict[Tuple[str, str], "Future[Compared]"]]:
    """Every flow that a selected test asks for, run locally and in pods, some at a time."""
    def run(shape: str, body: str) -> Compared:
        # When a task may fail, one at a time: then none of its siblings is running.
        workers = "1" if body in ("fail", "exit", "no_next", "conflict") else "4"
        ran, told = [], []
        for options in ((), ("--with", "kubernetes")):
            place = PodPlace(tmp_path_factory.mktemp("flow"), cluster.kubeconfig, namespace, s3)
            if not options:
                place.env.update(METAFLOW_DEFAULT_DATASTORE="local")
            place.flow("flow.py", source(shape, body))
            ran.append(place.run("flow.py", "--max-workers", workers, *options))
            told.append(described(peer, place, flow_of(shape, body), place.env, all_nodes=shape != "parallel" or ran[-1].code == 0))
        return Compared(*ran, *told)

    wanted = {(item.callspec.params["shape"], item.callspec.params["body"]): None for item in request.session.items
              if isinstance(item, pytest.Function) and item.originalname == test_pods_do_what_local_tasks_do.__name__}
    pool = ThreadPoolExecutor(FLOWS_AT_ONCE)
    yield {pair: pool.submit(run, *pair) for pair in wanted}
    pool.shutdown(cancel_futures=True)


def lines_of_nodes(told: Any) -> List[str]:
    """Takes them out: local nodes of a @parallel step write into the log of node 0, pods each into its own (as Metaflow's do)."""
    return sorted(line for task in told["steps"]["node"] for line in task.pop("stdout").splitlines())


@pytest.mark.parametrize("shape, body", CHOSEN)
def test_pods_do_what_local_tasks_do(flows: Dict[Tuple[str, str], "Future[Compared]"], shape: str, body: str) -> None:
    done = flows[shape, body].result()
    assert done.here.code == done.away.code, done.away
    if shape == "parallel":
        assert lines_of_nodes(done.told_here) == lines_of_nodes(done.told_away)
    assert done.told_here == done.told_away
