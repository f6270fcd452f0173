"""A step whose tasks are several pods that know each other."""

from __future__ import annotations

import re
from typing import Any

from api import Namespace, running
from flows import IMPORTS
from place import PodPlace

FLOW = IMPORTS + """
import socket
from metaflow import parallel

PORT = 29400


def reach(address):
    while True:  # node 0 may not listen yet
        try:
            return socket.create_connection((address, PORT), 60)
        except OSError:
            time.sleep(0.1)


class Nodes(FlowSpec):
    @step
    def start(self):
        self.next(self.node, num_parallel=3)

    %(decorators)s
    @kubernetes
    @parallel
    @step
    def node(self):
        here = current.parallel
        self.at = here.node_index
        %(before)s
        if self.at == 0:
            with socket.create_server((here.main_ip, PORT)) as server:
                server.settimeout(60)
                self.heard = sorted(server.accept()[0].makefile().readline() for _ in range(here.num_nodes - 1))
        else:
            with reach(here.main_ip) as link:
                link.sendall(b"node %%d of %%d\\n" %% (self.at, here.num_nodes))
        print("node", self.at, "is done in", os.environ["METAFLOW_KUBERNETES_POD_NAME"])
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.indexes = [one.at for one in inputs]
        self.heard = inputs[0].heard
        self.next(self.end)

    @step
    def end(self):
        print("indexes", self.indexes, "heard", self.heard)


if __name__ == "__main__":
    Nodes()
"""


def flow(before: str = "", decorators: str = "") -> str:
    return FLOW % {"before": before, "decorators": decorators}


def test_nodes_reach_node_zero(place: PodPlace) -> None:
    place.flow("nodes.py", flow())
    ran = place.run("nodes.py")
    assert ran.code == 0, ran
    assert "indexes [0, 1, 2] heard ['node 1 of 3\\n', 'node 2 of 3\\n']" in ran.stdout, ran
    assert len(set(re.findall(r"is done in (\S+)", ran.stdout))) == 3, ran


def test_one_that_fails_ends_all_and_all_are_tried_again(place: PodPlace) -> None:
    place.flow("nodes.py", flow(before="assert self.at != 2 or current.retry_count == 1, 'not yet'",
                                decorators="@retry(times=1, minutes_between_retries=0)"))
    ran = place.run("nodes.py")
    assert ran.code == 0, ran
    assert re.search(r"Task \S+/node/2_node_2 of the 3 of this @parallel step failed: the others are ended", ran.stdout), ran
    assert ran.stdout.count("Task failed.") == 1, ran
    assert "indexes [0, 1, 2]" in ran.stdout


def test_when_the_cluster_takes_one_away_all_are_tried_again(place: PodPlace, namespace: Namespace, live: Any) -> None:
    """Without @retry: a loss is not the step's failure."""
    place.flow("nodes.py", flow(before="print('waits at', self.at, flush=True); time.sleep(600 if current.retry_count == 0 else 0)"))
    run = live("nodes.py")
    run.wait_for(r"waits at 2")
    namespace.evict(namespace.wait_for_pod(lambda pod: running(pod) and "-node-2-node-2-" in pod["metadata"]["name"], "the pod of node 2", run.run_id))
    ran = run.end()
    assert ran.code == 0, ran
    assert re.search(r"Task \S+/node/2_node_2 of the 3 of this @parallel step failed: the others are ended", ran.stdout), ran
    assert "It was lost with what it ran on: it is tried again, which @retry does not count (1 of 3)." in ran.stdout
    assert "indexes [0, 1, 2]" in ran.stdout
