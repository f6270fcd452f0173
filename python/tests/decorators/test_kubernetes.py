"""`@kubernetes`: its arguments, what they become, and what is refused. Values as in Metaflow 2.19.38."""

from __future__ import annotations

import sys
from typing import Any, Dict

import pytest

from driver import Metadata, RemoteStore, Store
from headrace import settings
from headrace.decorators.kubernetes import KubernetesDecorator
from headrace.decorators.registry import step_decorator_class
from metaflow.exception import MetaflowException


def settled(others: Any = (), store: Any = RemoteStore, **attributes: Any) -> Dict[str, Any]:
    """The attributes after everything that happens to them before a run."""
    decorators = [step_decorator_class(name)(attributes=values) for name, values in others]
    deco = KubernetesDecorator(attributes=attributes, statically_defined=True)
    for each in decorators + [deco]:
        each.external_init()
    deco.step_init(None, None, "start", decorators + [deco], None, store(), print)
    return dict(deco.attributes, run_time_limit=deco.run_time_limit)


def test_defaults() -> None:
    found = settled()
    assert (found["cpu"], found["memory"], found["disk"]) == ("1", "4096", "10240")
    assert found["image"] == "python:%d.%d" % sys.version_info[:2]
    assert found["namespace"] == "default" and found["gpu_vendor"] == "nvidia" and found["qos"] == "burstable"
    assert found["run_time_limit"] == 432000
    assert found["labels"] == {} and found["annotations"] == {}


@pytest.mark.parametrize(
    "own, resources, expected",
    [
        ({"cpu": 4, "memory": 1000}, {"cpu": 2, "memory": 6000}, {"cpu": "4.0", "memory": "6000.0", "disk": "10240.0"}),
        ({}, {}, {"cpu": "1.0", "memory": "4096.0"}),
        ({"gpu": 4}, {"gpu": 1}, {"gpu": 1}),
        ({"gpu": 4}, {}, {"gpu": 4}),
        ({"shared_memory": 100}, {"shared_memory": 50}, {"shared_memory": 50}),
    ],
)
def test_resources_are_merged(own: Any, resources: Any, expected: Any) -> None:
    found = settled([("resources", resources)], **own)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    "attributes, expected",
    [
        ({"node_selector": "a=b,c=d"}, {"node_selector": {"a": "b", "c": "d"}}),
        ({"node_selector": {"a": "b"}}, {"node_selector": {"a": "b"}}),
        ({"use_tmpfs": True, "memory": "1000"}, {"tmpfs_size": 500}),
        ({"tmpfs_size": 64}, {"tmpfs_size": 64}),
        ({"gpu": 0}, {"gpu": 0}),
        ({"gpu": "2"}, {"gpu": "2"}),
        ({"qos": "GUARANTEED"}, {"qos": "GUARANTEED"}),
        ({"labels": {"a": ""}}, {"labels": {"a": ""}}),
        ({"tolerations": [{"key": "a", "operator": "Exists"}]}, {"tolerations": [{"key": "a", "operator": "Exists"}]}),
        ({"image": "a/b:c"}, {"image": "a/b:c"}),
    ],
)
def test_arguments(attributes: Any, expected: Any) -> None:
    found = settled(**attributes)
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    "attributes, text",
    [
        ({"cpu": 0}, "Invalid cpu value *0* for step *start*; it should be greater than 0"),
        ({"memory": "-1"}, "Invalid memory value"),
        ({"disk": "much"}, "Invalid disk value"),
        ({"gpu": "1.5"}, "Invalid GPU value *1.5* for step *start*; it should be an integer"),
        ({"gpu_vendor": "intel"}, "GPU vendor *intel* for step *start* is not currently supported."),
        ({"qos": "BestEffort"}, "*BestEffort* is not a valid Kubernetes QoS class. Choose one of the following: Guaranteed"),
        ({"tmpfs_size": -5}, "Invalid tmpfs_size value: *-5*"),
        ({"shared_memory": "100"}, "Invalid shared_memory value: *100*"),
        ({"node_selector": "a=b,a=c"}, "Duplicate key found: a"),
        ({"node_selector": "a"}, "Unable to parse kubernetes list"),
        ({"labels": {"a": "-x"}}, "A valid label must be an empty string or one that"),
        ({"labels": {"a": "x" * 64}}, "Is at most 63 characters"),
        ({"tolerations": [{"keys": 1}]}, "Tolerations parameter contains invalid keys: ['keys']"),
        ({"tolerations": ["a"]}, "Unable to parse tolerations"),
    ],
)
def test_refused(attributes: Any, text: str) -> None:
    with pytest.raises(MetaflowException) as error:
        settled(**attributes)
    assert text in str(error.value)


@pytest.mark.parametrize(
    "others, text",
    [
        ([("batch", {})], "marked for execution both on AWS Batch and Kubernetes"),
        ([("parallel", {}), ("catch", {})], "@catch is not supported with @parallel on Kubernetes"),
        ([("resources", {"cpu": "a"})], "Invalid cpu value *a* for step *start*"),
        ([("resources", {"memory": "16GB"})], "Invalid memory value *16GB* for step *start*"),
        ([("resources", {"gpu": "a"})], "Invalid GPU value *a* for step *start*"),
        ([("timeout", {"seconds": 30})], "The timeout for step *start* should be at least 60 seconds"),
    ],
)
def test_refused_together(others: Any, text: str) -> None:
    with pytest.raises(MetaflowException) as error:
        settled(others)
    assert text in str(error.value)


def test_time_limit_is_that_of_timeout() -> None:
    assert settled([("timeout", {"minutes": 2})])["run_time_limit"] == 120


def test_a_datastore_that_pods_cannot_reach_is_refused(monkeypatch: Any) -> None:
    with pytest.raises(MetaflowException) as error:
        settled(store=Store)
    assert error.value.headline == "Kubernetes error"
    assert "*start*" in str(error.value) and "--datastore s3" in str(error.value)
    # In the pod itself the launcher has checked it.
    monkeypatch.setenv("METAFLOW_KUBERNETES_WORKLOAD", "1")
    assert settled(store=Store)["cpu"] == "1"


def pre_step(deco: KubernetesDecorator) -> Metadata:
    metadata = Metadata()
    deco.task_pre_step("start", None, metadata, "1", "2", None, None, 1, 0, None, None)
    return metadata


def test_an_attempt_in_a_pod_says_in_which(monkeypatch: Any) -> None:
    deco = KubernetesDecorator()
    assert pre_step(deco).records == [], "a fallback runs locally"
    monkeypatch.setenv("METAFLOW_KUBERNETES_WORKLOAD", "1")
    monkeypatch.setenv("METAFLOW_KUBERNETES_POD_NAME", "p-1")
    monkeypatch.setenv("METAFLOW_KUBERNETES_NODE_IP", "10.0.0.1")
    assert [(r.field, r.value, r.tags) for r in pre_step(deco).records] == [
        ("kubernetes-pod-name", "p-1", ["attempt_id:1"]), ("kubernetes-node-ip", "10.0.0.1", ["attempt_id:1"]),
    ]


def test_configuration_counts_only_for_defaults(monkeypatch: Any) -> None:
    for name, value in (
        ("KUBERNETES_CPU", "3"), ("KUBERNETES_MEMORY", "2000"), ("KUBERNETES_NAMESPACE", "ns"),
        ("KUBERNETES_LABELS", "team=a,x=1"), ("KUBERNETES_CONTAINER_REGISTRY", "reg.example/"),
        ("KUBERNETES_CONTAINER_IMAGE", "img:1"), ("KUBERNETES_TOLERATIONS", '[{"key": "k"}]'),
        ("KUBERNETES_NODE_SELECTOR", "disk=ssd"),
    ):
        monkeypatch.setattr(settings, name, value, raising=False)
    found = settled(memory=5000, labels={"x": "2"})
    assert (found["cpu"], found["memory"], found["namespace"]) == ("3", 5000, "ns")
    assert found["labels"] == {"team": "a", "x": "2"}
    assert found["image"] == "reg.example/img:1"
    assert found["tolerations"] == [{"key": "k"}] and found["node_selector"] == {"disk": "ssd"}
    assert settled(image="other.example:80/x")["image"] == "other.example:80/x"
    monkeypatch.setattr(settings, "KUBERNETES_TOLERATIONS", "[", raising=False)
    with pytest.raises(MetaflowException) as error:
        settled()
    assert "METAFLOW_KUBERNETES_TOLERATIONS is not JSON" in str(error.value)
