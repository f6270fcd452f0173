"""Real pods, a real S3 server: the bed of `testbed/`, or the cluster that KUBECONFIG names."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import pytest

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "testbed"), str(HERE.parents[1] / "python" / "tests" / "e2e")]

from api import Api, Namespace  # noqa: E402
from bed import Cluster  # noqa: E402
from bed_fixtures import cluster  # noqa: E402, F401
from place import LiveRun, PodPlace  # noqa: E402


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Api:  # noqa: F811
    return Api(cluster.kubeconfig)


@pytest.fixture(scope="session")
def new_namespace(api: Api, s3: Dict[str, str]) -> Iterator[Callable[..., Namespace]]:
    """Makes a namespace that has the secret `s3` and is removed at the end."""
    made: List[Namespace] = []

    def make(labels: Dict[str, str] = {}, secret: bool = True) -> Namespace:
        made.append(Namespace(api, "hr-test-" + uuid.uuid4().hex[:8]).make(labels))
        if secret:
            made[-1].secret("s3", {name: value for name, value in s3.items() if name.startswith("AWS_")})
        return made[-1]

    yield make
    for namespace in made:
        namespace.remove()


@pytest.fixture(scope="session")
def namespace(new_namespace: Callable[..., Namespace]) -> Namespace:
    """The one that tests share: the agent is there after the first run."""
    return new_namespace()


@pytest.fixture
def new_place(tmp_path: Path, cluster: Cluster, s3: Dict[str, str]) -> Callable[..., PodPlace]:  # noqa: F811
    def make(namespace: Namespace, kubeconfig: str = "") -> PodPlace:
        folder = tmp_path / ("place-" + uuid.uuid4().hex[:8])
        folder.mkdir()
        return PodPlace(folder, kubeconfig or cluster.kubeconfig, namespace, s3)

    return make


@pytest.fixture
def place(new_place: Callable[..., PodPlace], namespace: Namespace) -> PodPlace:
    return new_place(namespace)


@pytest.fixture
def live(place: PodPlace) -> Iterator[Callable[..., LiveRun]]:
    """Starts runs that a test looks at while they go on; none outlives the test."""
    started: List[LiveRun] = []

    def start(flow: str, *options: str, at: Any = None, env: Dict[str, str] = {}) -> LiveRun:
        started.append((at or place).start_run(flow, *options, env=env))
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture(scope="session")
def our_bed(cluster: Cluster) -> Cluster:  # noqa: F811
    """For tests that know the bed's images or restart its servers."""
    if not cluster.ours:
        pytest.skip("it needs the images and servers of testbed/, and KUBECONFIG names another cluster")
    return cluster


@pytest.fixture
def kubeconfig_of(api: Api, tmp_path: Path) -> Callable[..., str]:
    """Makes a service account that may do `rules` in one namespace and nothing else; returns a kubeconfig with its token."""

    def make(namespace: Namespace, rules: List[Dict[str, List[str]]]) -> str:
        name = "worker-" + uuid.uuid4().hex[:8]
        rbac = "rbac.authorization.k8s.io"
        namespace.apply("serviceaccounts", {"metadata": {"name": name}})
        namespace.apply("roles", {"metadata": {"name": name}, "rules": rules}, rbac + "/v1")
        namespace.apply("rolebindings", {
            "metadata": {"name": name}, "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace.name}]}, rbac + "/v1")
        token = api.call("POST", "%s/serviceaccounts/%s/token" % (namespace.path, name), {"spec": {"expirationSeconds": 3600}})
        config = dict(api.config, users=[{"name": name, "user": {"token": token["status"]["token"]}}],
                      contexts=[{"name": name, "context": {"cluster": api.config["clusters"][0]["name"], "user": name,
                                                           "namespace": namespace.name}}])
        config["current-context"] = name
        path = tmp_path / (name + ".kubeconfig")
        path.write_text(json.dumps(config))  # JSON is YAML
        return str(path)

    return make
