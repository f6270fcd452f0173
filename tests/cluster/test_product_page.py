"""The product page's programs on a real cluster, with a matrix that fits it: each promise of the page, in its order."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from api import ApiError, Namespace, annotation, task_container, wait_until
from bed import Cluster
from place import NUMPY_IMAGE, PodPlace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "product"))

from test_product_page import BIG_SUM, SECOND  # noqa: E402

SUM = r"The sum is (49|50)\d{6}\.\d{6}\."  # of 10^8 numbers between 0 and 1
# 800 MB instead of 51 GB.
SMALL = BIG_SUM.replace("80000, 80000", "10000, 10000").replace("memory=60000", "memory=2000")
SMALL_SECOND = (SECOND.replace("80000, 80000", "10000, 10000").replace("range(0, 80000, 10000)", "range(0, 10000, 2500)")
                .replace("i:i+10000", "i:i+2500").replace("memory=60000, cpu=8", "memory=3000, cpu=1"))


@pytest.fixture
def numpy_place(place: PodPlace) -> PodPlace:
    place.env["METAFLOW_KUBERNETES_CONTAINER_IMAGE"] = NUMPY_IMAGE
    for name in ("CPU", "MEMORY", "DISK"):  # the page's defaults
        del place.env["METAFLOW_KUBERNETES_" + name]
    place.env["METAFLOW_KUBERNETES_DISK"] = "1000"
    return place


def test_with_kubernetes_runs_every_step_in_a_pod(numpy_place: PodPlace) -> None:
    numpy_place.flow("BigSum.py", SMALL)
    ran = numpy_place.run("BigSum.py", "--with", "kubernetes")
    assert ran.code == 0, ran
    said = [line for line in ran.lines if "The sum is" in line or "Computing it took" in line]
    assert len(said) == 2, ran
    assert all(re.match(r"\[%s/end/\d+ \(pid \d+\)\] \[pod hr-end-\S+\] (%s|Computing it took)" % (ran.run_id, SUM), line)
               for line in said), said
    logs = numpy_place("BigSum.py", "logs", "%s/end" % ran.run_id)
    assert logs.code == 0 and re.match(SUM, logs.stdout), logs


def test_kubernetes_on_one_step_leaves_the_others_here(numpy_place: PodPlace) -> None:
    flow = SMALL.replace("step, resources", "step, kubernetes").replace("@resources", "@kubernetes")
    numpy_place.flow("BigSum.py", flow.replace("        import numpy\n", "        import numpy\n        print('summing')\n"))
    ran = numpy_place.run("BigSum.py")
    assert ran.code == 0, ran
    assert any("/start/1 " in line and "[pod hr-start-" in line and line.endswith("summing") for line in ran.lines), ran
    assert not any("/end/2 " in line and "[pod " in line for line in ran.lines), ran
    assert re.search(SUM, ran.stdout), ran


def test_second_program_as_it_stands_names_the_import_to_add(numpy_place: PodPlace) -> None:
    """It imports `batch` where it uses `kubernetes`: Python's own error, and one hint."""
    numpy_place.flow("BigSum.py", SMALL_SECOND)
    ran = numpy_place.run("BigSum.py")
    assert ran.code == 1, ran
    assert "NameError: name 'kubernetes' is not defined" in ran.stderr
    assert len(re.findall(r"from metaflow import .*kubernetes", ran.stderr)) == 1, ran


def test_second_program_sums_in_parallel_in_a_pod(numpy_place: PodPlace) -> None:
    flow = SMALL_SECOND.replace("batch, parallel_map", "kubernetes, parallel_map")
    numpy_place.flow("BigSum.py", flow.replace("        import numpy\n", "        import numpy\n        print('summing')\n"))
    ran = numpy_place.run("BigSum.py")
    assert ran.code == 0, ran
    assert re.search(SUM, ran.stdout) and "[pod hr-start-" in ran.stdout, ran


def test_options_of_with_reach_the_pod(our_bed: Cluster, new_namespace: Any, place: PodPlace, live: Any) -> None:
    """`--with kubernetes:cpu=..,memory=..,namespace=..,image=..`, and the rest by default; the bed's ubuntu has no Python."""
    foo: Namespace = new_namespace()
    for name in ("CPU", "MEMORY", "DISK", "CONTAINER_IMAGE", "NAMESPACE"):
        del place.env["METAFLOW_KUBERNETES_" + name]
    run = live("hello.py", "--with", "kubernetes:cpu=0.2,memory=1000,namespace=%s,image=ubuntu:latest" % foo.name)
    run_id = run.run_id
    pod = foo.wait_for_pod(lambda pod: True, "a pod", run_id)
    container = task_container(pod)
    assert container["image"] == "ubuntu:latest"
    assert container["resources"]["requests"] == {"cpu": "200m", "memory": "1G", "ephemeral-storage": "10240M"}
    assert container["resources"]["limits"] == {"memory": "1G"}
    assert pod["spec"]["activeDeadlineSeconds"] == 5 * 24 * 3600
    assert pod["spec"]["restartPolicy"] == "Never"
    assert annotation(pod, "flow_name") == "HelloFlow" and annotation(pod, "step_name") == "start"
    ran = run.end()
    assert ran.code == 1
    assert "python3" in ran.stdout + ran.stderr and "ubuntu:latest" in ran.stdout + ran.stderr, ran


def test_defaults_of_the_page(our_bed: Cluster, place: PodPlace, namespace: Namespace, live: Any) -> None:
    """cpu 1, memory 4096, disk 10240; the vanilla image of this Python's minor version."""
    for name in ("CPU", "MEMORY", "DISK", "CONTAINER_IMAGE"):
        del place.env["METAFLOW_KUBERNETES_" + name]
    run = live("hello.py", "--with", "kubernetes")
    pod = namespace.wait_for_pod(lambda pod: True, "a pod", run.run_id)
    container = task_container(pod)
    assert container["image"] == "python:%d.%d" % sys.version_info[:2]
    assert container["resources"]["requests"] == {"cpu": "1", "memory": "4096M", "ephemeral-storage": "10240M"}
    if sys.version_info[:2] == (3, 11):
        assert run.end().code == 0


def test_nothing_of_a_run_is_left(place: PodPlace, namespace: Namespace) -> None:
    ran = place.run_pods("hello.py")
    assert ran.code == 0, ran


    wait_until(lambda: not namespace.pods(ran.run_id), "the pods are removed")


def test_max_workers_bounds_the_pods_at_once(place: PodPlace, namespace: Namespace) -> None:
    place.flow("wide.py", """
from metaflow import FlowSpec, step
import time

class Wide(FlowSpec):
    @step
    def start(self):
        self.params = range(6)
        self.next(self.fanned_out, foreach="params")

    @step
    def fanned_out(self):
        self.began = time.time()
        time.sleep(1)
        self.ended = time.time()
        self.next(self.join)

    @step
    def join(self, inputs):
        spans = [(i.began, i.ended) for i in inputs]
        self.most = max(sum(b <= began < e for b, e in spans) for began, _ in spans)
        print("at most %d at once" % self.most)
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Wide()
""")
    ran = place.run_pods("wide.py", "--max-workers", "2")
    assert ran.code == 0, ran
    assert "at most 2 at once" in ran.stdout or "at most 1 at once" in ran.stdout, ran


def test_a_foreach_that_is_too_wide_is_refused(place: PodPlace) -> None:
    place.flow("too_wide.py", """
from metaflow import FlowSpec, step

class TooWide(FlowSpec):
    @step
    def start(self):
        self.params = range(101)
        self.next(self.fanned_out, foreach="params")

    @step
    def fanned_out(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    TooWide()
""")
    ran = place.run_pods("too_wide.py")
    assert ran.code == 1
    assert "yielded 101 child steps" in ran.stderr and "--max-num-splits" in ran.stderr


def test_a_namespace_that_is_not_there_is_said_before_anything_is_made(place: PodPlace) -> None:
    ran = place.run("hello.py", "--with", "kubernetes:namespace=no-such-namespace")
    assert ran.code == 1
    assert "no-such-namespace" in ran.stderr and "[pod " not in ran.stdout, ran
    with pytest.raises(ApiError):
        place.namespace.api.call("GET", "/api/v1/namespaces/no-such-namespace")
