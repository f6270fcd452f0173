"""Why a pod failed: each cause has a text of its own that says what to do."""

from __future__ import annotations

import re
import uuid
from pathlib import Path
from typing import Any, Callable, Dict

import pytest
from api import Api, Namespace, running
from bed import Cluster
from flows import one_step
from place import IMAGE, PodPlace


def failed(place: PodPlace, flow: str, *options: str) -> str:
    ran = place.run(flow, *options)
    assert ran.code == 1, ran
    return ran.stdout + ran.stderr


def test_out_of_memory_names_limit_and_what_to_raise(place: PodPlace) -> None:
    place.flow("hungry.py", one_step("""
        print("eating", flush=True)
        eaten = [bytearray(b"x" * (1 << 20)) for _ in range(1000)]
    """, pods="@kubernetes(memory=150)"))
    said = failed(place, "hungry.py")
    assert "eating" in said
    assert re.search(r"(?i)out of memory|OOMKilled", said), said
    assert "150" in said and "memory=" in said, said


def test_a_segmentation_fault_is_told_apart(place: PodPlace) -> None:
    place.flow("crash.py", one_step("import ctypes; ctypes.string_at(0)"))
    assert "segmentation fault" in failed(place, "crash.py").lower()


def test_a_signal_that_is_not_out_of_memory_is_named(place: PodPlace) -> None:
    place.flow("killed.py", one_step("os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(600)"))
    assert re.search(r"SIGTERM|signal 15|Terminated", failed(place, "killed.py"))


def test_an_exit_without_a_result_is_said(place: PodPlace) -> None:
    place.flow("leaves.py", one_step("os._exit(0)"))
    assert re.search(r"without", failed(place, "leaves.py"))


def test_the_deadline_is_named(place: PodPlace) -> None:
    """Python cannot handle the alarm, so the pod's own deadline ends it."""
    place.flow("deaf.py", one_step("""
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(600)
    """, "@timeout(seconds=60)"))
    said = failed(place, "deaf.py")
    assert re.search(r"60 s|time limit|DeadlineExceeded|timed out", said), said


def test_an_eviction_for_disk_is_named_and_tried_again(place: PodPlace, namespace: Namespace) -> None:
    """The disk is a request, and a limit with qos=guaranteed: over it, the kubelet evicts."""
    place.flow("disk.py", one_step("""
        with open("/tmp/filled", "wb") as out:
            for _ in range(200):
                out.write(b"1" * (1 << 20))
        time.sleep(600)
    """, pods="@kubernetes(disk=60, qos='guaranteed')"))
    said = failed(place, "disk.py", )
    assert re.search(r"(?i)evicted|ephemeral", said), said
    assert "disk=" in said, said


def test_a_pod_that_somebody_deletes_is_said(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("sleeps.py", one_step("print('up', flush=True)\ntime.sleep(600)"))
    run = live("sleeps.py")
    run.wait_for(r"\] up$")
    pod = namespace.wait_for_pod(running, "a running pod", run.run_id)
    namespace.api.call("DELETE", "%s/pods/%s" % (namespace.path, pod["metadata"]["name"]))
    ran = run.end()
    assert ran.code == 1
    assert "deleted" in (ran.stdout + ran.stderr).lower(), ran


def test_an_evicted_pod_is_tried_again_and_the_user_sees_one_attempt(place: PodPlace, namespace: Namespace, live: Any) -> None:
    place.flow("evicted.py", one_step("""
        first = os.environ["METAFLOW_KUBERNETES_POD_NAME"]
        self.pod, self.count = first, current.retry_count
        print("in", first, flush=True)
        if "-0-0-" in first:  # attempt 0, try 0
            time.sleep(600)
    """, end="print('count', self.count, self.pod)"))
    run = live("evicted.py")
    run.wait_for(r"\] in hr-start-")
    namespace.evict(namespace.wait_for_pod(running, "a running pod", run.run_id))
    ran = run.end()
    assert ran.code == 0, ran
    assert re.search(r"count 0 hr-start-1-0-1-", ran.stdout), ran


WAITS_ONCE = one_step("""
    print("in", os.environ["METAFLOW_KUBERNETES_POD_NAME"], flush=True)
    self.pod, self.count = os.environ["METAFLOW_KUBERNETES_POD_NAME"], current.retry_count
    if "-0-0-" in self.pod:  # attempt 0, try 0
        time.sleep(600)
""", pods="@kubernetes(cpu=1.2)", end="print('count', self.count, self.pod)")


@pytest.mark.usefixtures("our_bed")
def test_a_preempted_pod_is_tried_again(place: PodPlace, namespace: Namespace, api: Api, live: Any) -> None:
    """A pod of higher priority needs the room: the node has two CPUs."""
    name = "urgent-" + uuid.uuid4().hex[:8]
    api.create("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": 1000000})
    place.flow("preempted.py", WAITS_ONCE)
    run = live("preempted.py")
    run.wait_for(r"\] in hr-start-")
    urgent = "%s/pods/%s" % (namespace.path, name)
    try:
        namespace.apply("pods", {"metadata": {"name": name}, "spec": {
            "priorityClassName": name, "restartPolicy": "Never", "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": IMAGE, "command": ["python3", "-c", "import time; time.sleep(600)"],
                            "resources": {"requests": {"cpu": "1.2"}}}]}})
        run.wait_for(r"is lost \(PreemptionByScheduler: .*tried again, try 2")
    finally:
        api.call("DELETE", urgent)
        api.call("DELETE", "/apis/scheduling.k8s.io/v1/priorityclasses/" + name)
    ran = run.end()
    assert ran.code == 0 and re.search(r"count 0 hr-start-1-0-1-", ran.stdout), ran


@pytest.mark.usefixtures("our_bed")
def test_a_pod_of_a_lost_node_is_tried_again(place: PodPlace, api: Api, live: Any) -> None:
    """As the cluster does when a node stops answering: it gets a taint, and the controller removes what does not tolerate it."""
    place.flow("lost.py", WAITS_ONCE)
    run = live("lost.py")
    run.wait_for(r"\] in hr-start-")
    node = "/api/v1/nodes/" + api.call("GET", "/api/v1/nodes")["items"][0]["metadata"]["name"]
    try:
        api.call("PATCH", node, {"spec": {"taints": [{"key": "headrace.test/lost", "effect": "NoExecute"}]}}, "application/merge-patch+json")
        run.wait_for(r"is lost \(DeletionByTaintManager: .*tried again, try 2")
    finally:
        api.call("PATCH", node, {"spec": {"taints": None}}, "application/merge-patch+json")
    ran = run.end()
    assert ran.code == 0 and re.search(r"count 0 hr-start-1-0-1-", ran.stdout), ran


def test_rights_that_are_missing_are_named(place: PodPlace, new_place: Any, new_namespace: Callable[..., Namespace],
                                           kubeconfig_of: Callable[..., str]) -> None:
    """A service account that may do nothing: verb, resource and namespace are in the error."""
    bare = new_namespace()
    there: PodPlace = new_place(bare, kubeconfig_of(bare, []))
    there.flow("hello.py", one_step("pass"))
    ran = there.run("hello.py")
    assert ran.code == 1
    assert re.search(r"(create|list|get).*(pods|jobs|configmaps)", ran.stderr), ran
    assert bare.name in ran.stderr, ran


def test_an_unreachable_cluster_is_one_error(place: PodPlace, tmp_path: Path) -> None:
    config = tmp_path / "nowhere.kubeconfig"
    config.write_text("""
apiVersion: v1
kind: Config
clusters: [{name: gone, cluster: {server: "https://127.0.0.1:9", insecure-skip-tls-verify: true}}]
users: [{name: me, user: {token: none}}]
contexts: [{name: gone, context: {cluster: gone, user: me}}]
current-context: gone
""")
    ran = place.run_pods("hello.py", env={"KUBECONFIG": str(config)})
    assert ran.code == 1
    assert "127.0.0.1:9" in ran.stderr and "Traceback" not in ran.stderr, ran


@pytest.mark.usefixtures("our_bed")
def test_an_api_server_that_restarts_does_not_fail_a_run(place: PodPlace, live: Any, our_bed: Cluster) -> None:
    import bed

    place.flow("patient.py", one_step("print('up', flush=True)\ntime.sleep(8)", end="print('done')"))
    run = live("patient.py")
    run.wait_for(r"\] up$")
    bed.tool("restart", "kube-apiserver", "2")
    ran = run.end()
    assert ran.code == 0, ran
    assert "Done!" in ran.stdout
