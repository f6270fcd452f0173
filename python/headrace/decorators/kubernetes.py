"""`@kubernetes`: a step that runs in a pod of its own. All arguments are read and checked here."""

from __future__ import annotations

import json
import os
from typing import Any, Dict

from ..errors import MetaflowException
from ..pods import check_datastore
from .base import StepDecorator
from .kubernetes_values import (
    KubernetesException,
    check_tolerations,
    default_image,
    parse_kube_keyvalue_list,
    validate_kube_labels,
    with_registry,
)
from .resources import ResourcesDecorator
from .timeout import get_run_time_limit_for_task

SUPPORTED_KUBERNETES_QOS_CLASSES = ["Guaranteed", "Burstable"]

#: A pod with less than this would end before its step has begun.
_SECONDS_MIN = 60

#: Metadata of an attempt in a pod, from the pod's environment.
_POD_FACTS = {
    "kubernetes-pod-name": "METAFLOW_KUBERNETES_POD_NAME",
    "kubernetes-pod-namespace": "METAFLOW_KUBERNETES_POD_NAMESPACE",
    "kubernetes-pod-id": "METAFLOW_KUBERNETES_POD_ID",
    "kubernetes-pod-service-account-name": "METAFLOW_KUBERNETES_SERVICE_ACCOUNT_NAME",
    "kubernetes-node-ip": "METAFLOW_KUBERNETES_NODE_IP",
}


class KubernetesDecorator(StepDecorator):
    """Runs a step in a pod.

    cpu: cores. memory, disk: MB (10**6 bytes); request of the pod. With `@resources` too, the larger value counts.
    gpu, gpu_vendor, image, image_pull_policy, image_pull_secrets, service_account, secrets, namespace, node_selector,
    tolerations, labels, annotations, persistent_volume_claims, port, qos, extended_resources, security_context: as in
    the pod's specification. tmpfs_size, shared_memory: MiB. executable: the Python in the image.
    """

    name = "kubernetes"
    defaults: Dict[str, Any] = {
        "cpu": "1",
        "memory": "4096",
        "disk": "10240",
        "image": None,
        "image_pull_policy": None,
        "image_pull_secrets": None,
        "service_account": None,
        "secrets": None,
        "node_selector": None,
        "namespace": None,
        "gpu": None,
        "gpu_vendor": None,
        "tolerations": None,
        "labels": None,
        "annotations": None,
        "use_tmpfs": None,
        "tmpfs_tempdir": True,
        "tmpfs_size": None,
        "tmpfs_path": "/metaflow_temp",
        "persistent_volume_claims": None,
        "shared_memory": None,
        "port": None,
        "compute_pool": None,
        "executable": None,
        "hostname_resolution_timeout": 10 * 60,
        "qos": "burstable",
        "extended_resources": {},
        "security_context": None,
    }
    supports_conda_environment = True
    target_platform = "linux-64"
    #: Seconds, once `step_init` has run.
    run_time_limit = None

    def __init__(self, attributes: Any = None, statically_defined: bool = False, inserted_by: Any = None) -> None:
        super().__init__(attributes, statically_defined, inserted_by)
        if "qos" not in self._user_defined_attributes:
            from .. import settings

            self.attributes["qos"] = settings.KUBERNETES_QOS

    def init(self) -> None:
        from .. import settings

        values = self.attributes
        values["namespace"] = values["namespace"] or settings.KUBERNETES_NAMESPACE
        values["service_account"] = values["service_account"] or settings.KUBERNETES_SERVICE_ACCOUNT
        values["gpu_vendor"] = values["gpu_vendor"] or settings.KUBERNETES_GPU_VENDOR
        values["node_selector"] = values["node_selector"] or settings.KUBERNETES_NODE_SELECTOR or None
        values["image_pull_policy"] = values["image_pull_policy"] or settings.KUBERNETES_IMAGE_PULL_POLICY
        for name in ("tolerations", "persistent_volume_claims", "image_pull_secrets"):
            configured = getattr(settings, "KUBERNETES_" + name.upper())
            if not values[name] and configured:
                values[name] = _from_json("METAFLOW_KUBERNETES_" + name.upper(), configured)
        if isinstance(values["node_selector"], str):
            values["node_selector"] = parse_kube_keyvalue_list(values["node_selector"].split(","))
        if values["compute_pool"]:
            values["node_selector"] = dict(
                values["node_selector"] or {}, **{"outerbounds.co/compute-pool": values["compute_pool"]}
            )
        if values["tolerations"]:
            check_tolerations(values["tolerations"])
        for name in ("cpu", "memory", "disk"):
            configured = getattr(settings, "KUBERNETES_" + name.upper())
            if configured and values[name] == self.defaults[name]:
                values[name] = configured
        for name in ("labels", "annotations"):
            configured = getattr(settings, "KUBERNETES_" + name.upper())
            from_config = parse_kube_keyvalue_list(configured.split(","), False) if configured else {}
            values[name] = {**from_config, **(values[name] or {})}
        values["image"] = with_registry(
            values["image"] or default_image(settings.KUBERNETES_CONTAINER_IMAGE), settings.KUBERNETES_CONTAINER_REGISTRY
        )
        if values["use_tmpfs"] and not values["tmpfs_size"]:
            values["tmpfs_size"] = int(float(values["memory"])) // 2
        values["shared_memory"] = values["shared_memory"] or settings.KUBERNETES_SHARED_MEMORY
        values["port"] = values["port"] or settings.KUBERNETES_PORT

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.logger = logger
        self.environment = environment
        self.step = step_name
        self.flow_datastore = flow_datastore
        check_datastore(step_name, flow_datastore.TYPE)
        names = {deco.name for deco in decorators}
        qos = self.attributes["qos"]
        if qos is not None and qos.lower() not in [known.lower() for known in SUPPORTED_KUBERNETES_QOS_CLASSES]:
            raise MetaflowException(
                "*%s* is not a valid Kubernetes QoS class. Choose one of the following: %s"
                % (qos, ", ".join(SUPPORTED_KUBERNETES_QOS_CLASSES))
            )
        if "batch" in names:
            raise MetaflowException(
                "Step *%s* is marked for execution both on AWS Batch and Kubernetes. Please use one or the other."
                % step_name
            )
        if "parallel" in names and "catch" in names:
            raise MetaflowException(
                "Step *%s* contains a @parallel decorator with the @catch decorator. @catch is not supported with "
                "@parallel on Kubernetes." % step_name
            )
        self.run_time_limit = get_run_time_limit_for_task(decorators)
        if self.run_time_limit < _SECONDS_MIN:
            raise KubernetesException(
                "The timeout for step *%s* should be at least %d seconds for execution on Kubernetes."
                % (step_name, _SECONDS_MIN)
            )
        for deco in decorators:
            if isinstance(deco, ResourcesDecorator):
                self._merge_resources(deco.attributes)
        self._check_values(step_name)

    def _merge_resources(self, resources: Dict[str, Any]) -> None:
        """`@resources` of the step: it replaces gpu and shared_memory, of the others the larger counts."""
        for name in ("gpu", "shared_memory"):
            if resources.get(name) is not None:
                self.attributes[name] = resources[name]
        for name in ("cpu", "memory", "disk"):
            own, asked = self.attributes[name] or 0, resources.get(name) or 0
            # What is no number is left for `_check_values` to name.
            if not _is_number(asked):
                self.attributes[name] = asked
            elif _is_number(own):
                self.attributes[name] = str(max(float(own), float(asked)))

    def _check_values(self, step_name: str) -> None:
        values = self.attributes
        if str(values["gpu_vendor"]).lower() not in ("amd", "nvidia"):
            raise KubernetesException(
                "GPU vendor *%s* for step *%s* is not currently supported." % (values["gpu_vendor"], step_name)
            )
        for name in ("cpu", "disk", "memory"):
            if not _is_number(values[name]) or float(values[name]) <= 0:
                raise KubernetesException(
                    "Invalid %s value *%s* for step *%s*; it should be greater than 0" % (name, values[name], step_name)
                )
        if values["gpu"] is not None and not (
            isinstance(values["gpu"], (int, str)) and _is_number(values["gpu"]) and float(values["gpu"]).is_integer()
        ):
            raise KubernetesException(
                "Invalid GPU value *%s* for step *%s*; it should be an integer" % (values["gpu"], step_name)
            )
        self._check_size("tmpfs_size", (int, str), step_name)
        self._check_size("shared_memory", (int,), step_name)
        validate_kube_labels(values["labels"])

    def _check_size(self, name: str, types: Any, step_name: str) -> None:
        value = self.attributes[name]
        if not value:
            return
        whole = isinstance(value, types) and _is_number(value) and float(value).is_integer()
        if not whole or int(float(value)) <= 0:
            raise KubernetesException(
                "Invalid %s value: *%s* for step *%s* (should be an integer greater than 0)" % (name, value, step_name)
            )

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any, inputs: Any) -> None:
        if not self.attributes["tmpfs_tempdir"]:
            from ..current import current

            current._update_env({"tempdir": self.attributes["tmpfs_path"]})
        # The fallback of `@catch` runs locally.
        if "METAFLOW_KUBERNETES_WORKLOAD" in os.environ:
            from ..metadatum import MetaDatum

            tags = ["attempt_id:%d" % retry_count]
            facts = [(field, os.environ.get(name)) for field, name in _POD_FACTS.items()]
            metadata.register_metadata(
                run_id, step_name, task_id, [MetaDatum(field, value, field, tags) for field, value in facts if value]
            )


KubernetesDecorator.__module__ = "metaflow.plugins.kubernetes.kubernetes_decorator"


def _is_number(value: Any) -> bool:
    if not isinstance(value, (int, float, str)):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def _from_json(key: str, text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise KubernetesException("%s is not JSON: %s. Its value is: %s" % (key, error, text)) from error
