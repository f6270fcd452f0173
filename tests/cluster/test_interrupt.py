"""Ctrl-C, SIGTERM, a launcher that dies: no pod of the run stays."""

from __future__ import annotations

import re
import signal
import time
import uuid
from typing import Any

import pytest
from api import Namespace, annotation, running, wait_until
from flows import foreach, one_step
from place import PodPlace

SLEEPS = "print('up', flush=True)\ntime.sleep(600)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_removes_the_pods_and_says_how_many(place: PodPlace, namespace: Namespace, live: Any, number: int) -> None:
    place.flow("sleeps.py", foreach(3, SLEEPS))
    run = live("sleeps.py")
    run_id = run.run_id
    wait_until(lambda: sum(running(pod) for pod in namespace.pods(run_id)) == 3, "three running pods")
    began = time.monotonic()
    run.send(number)
    ran = run.end(60)
    assert time.monotonic() - began < 30
    assert ran.code != 0
    assert re.search(r"(?i)removed 3 pods|3 pods", ran.stdout + ran.stderr), ran
    assert namespace.pods(run_id) == []
    assert not [job for job in namespace.jobs() if annotation(job, "run_id") == run_id and "deletionTimestamp" not in job["metadata"]]


def test_a_signal_while_the_cluster_is_prepared_ends_at_once(new_place: Any, new_namespace: Any, live: Any) -> None:
    """Nothing of the run is left: a namespace that has never seen a run takes the longest to prepare."""
    fresh: Namespace = new_namespace()
    there: PodPlace = new_place(fresh)
    there.flow("early.py", one_step(SLEEPS))
    run = live("early.py", at=there)
    run.wait_for("Workflow starting")
    began = time.monotonic()
    run.send(signal.SIGINT)
    ran = run.end(30)
    assert time.monotonic() - began < 5 and ran.code == 1 and "Aborted!" in ran.stderr, ran
    assert fresh.pods() == [] and fresh.jobs() == []


def test_pods_that_wait_are_removed_too(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("waits.py", one_step("pass", pods="@kubernetes(node_selector={'colour': 'none-has-it'})"))
    run = live("waits.py", env={"HEADRACE_KUBERNETES_UNPLACEABLE": "warning"})
    namespace.wait_for_pod(lambda pod: True, "a pod", run.run_id)
    run.send(signal.SIGINT)
    run.end(60)
    assert namespace.pods(run.run_id) == []


@pytest.mark.usefixtures("our_bed")
def test_a_hundred_pods_are_gone_within_ten_seconds(place: PodPlace, namespace: Namespace, live: Any) -> None:
    """None of them fits, so the machine need not hold a hundred containers; the controllers have their default rate."""
    place.flow("many.py", foreach(100, "pass", pods="@kubernetes(node_selector={'colour': 'none-has-it'})"))
    run = live("many.py", "--max-workers", "100", env={"HEADRACE_KUBERNETES_UNPLACEABLE": "warning"})
    run_id = run.run_id
    wait_until(lambda: len(namespace.pods(run_id)) == 100, "a hundred pods")
    began = time.monotonic()
    run.send(signal.SIGINT)
    wait_until(lambda: not namespace.pods(run_id), "no pods")
    gone = time.monotonic() - began
    ran = run.end()
    ended = time.monotonic() - began
    assert gone < 10 and ended < 10, (gone, ended)
    assert "100 pods" in ran.stdout + ran.stderr, ran


def test_a_second_signal_leaves_at_once_and_says_what_is_left(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("stubborn.py", one_step("""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        print("up", flush=True)
        time.sleep(600)
    """))
    run = live("stubborn.py")
    run_id = run.run_id
    run.wait_for(r"\] up$")
    run.send(signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    run.send(signal.SIGINT)
    ran = run.end(30)
    assert time.monotonic() - began < 3
    assert re.search(r"hr-start-\S+", ran.stderr) or re.search(r"(?i)left", ran.stdout + ran.stderr), ran
    wait_until(lambda: not namespace.pods(run_id), "the pod is removed")


def test_list_and_kill(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("sleeps.py", one_step(SLEEPS))
    run = live("sleeps.py")
    run_id = run.run_id
    run.wait_for(r"\] up$")
    listed = place("sleeps.py", "kubernetes", "list")
    assert listed.code == 0, listed
    assert re.search(r"Run: %s Pod: hr-start-\S+ Started At: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d Status: Running" % run_id, listed.stderr)
    killed = place("sleeps.py", "kubernetes", "kill", "--run-id", run_id)
    assert killed.code == 0 and "Killing Kubernetes pod hr-start-" in killed.stderr, killed
    assert run.end(60).code == 1
    wait_until(lambda: not namespace.pods(run_id), "the pod is gone")
    again = place("sleeps.py", "kubernetes", "list")
    assert again.code == 0 and "No active Kubernetes pods found" in again.stderr, again


def test_a_pod_that_starts_long_after_its_launcher_has_died_ends_at_once(place: PodPlace, namespace: Namespace, api: Any, live: Any) -> None:
    """It waits for a node that comes when its launcher is dead and the lease has passed."""
    colour = "late-" + uuid.uuid4().hex[:8]
    place.flow("late.py", one_step("print('too late')", pods="@kubernetes(node_selector={'colour': '%s'})" % colour))
    run = live("late.py", env={"HEADRACE_KUBERNETES_UNPLACEABLE": "warning", "HEADRACE_KUBERNETES_START_LEASE": "10"})
    run_id = run.run_id
    namespace.wait_for_pod(lambda pod: True, "a pod", run_id)
    run.close()
    died = time.monotonic()
    wait_until(lambda: time.monotonic() - died > 11, "the lease has passed")
    node = api.call("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    label = lambda value: api.call("PATCH", "/api/v1/nodes/" + node, {"metadata": {"labels": {"colour": value}}},  # noqa: E731
                                   "application/merge-patch+json")
    label(colour)
    try:
        pod = namespace.wait_for_pod(lambda pod: pod["status"]["phase"] == "Failed", "a failed pod", run_id)
    finally:
        label(None)
    (status,) = pod["status"]["containerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 75
    assert "the launcher of its run is gone" in status["state"]["terminated"]["message"]
    said = api.call("GET", "%s/pods/%s/log" % (namespace.path, pod["metadata"]["name"]))
    assert "the launcher of its run is gone" in said and "too late" not in said
    assert place("late.py", "kubernetes", "kill", "--run-id", run_id).code == 0


def test_after_a_killed_launcher_pods_publish_and_the_lease_collects_them(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("orphans.py", foreach(2, """
        print("up", flush=True)
        self.result = "published"
        time.sleep(5 if self.index == 0 else 600)
    """))
    run = live("orphans.py", env={"HEADRACE_KUBERNETES_LEASE": "60"})
    run_id = run.run_id
    wait_until(lambda: sum(running(pod) for pod in namespace.pods(run_id)) == 2, "two running pods")
    run.close()
    assert len(namespace.pods(run_id)) == 2, "pods end with their launcher"
    wait_until(lambda: "Succeeded" in [pod["status"]["phase"] for pod in namespace.pods(run_id)], "the short one finishes")
    wait_until(lambda: not namespace.pods(run_id), "the lease collects them", 180)
