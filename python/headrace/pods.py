"""What the engine is told of steps that run as pods: settled settings, environment, command, code package."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .decorators.kubernetes_values import KubernetesException

#: Keys of the configuration that a pod gets as they are here, where they have a value.
_PASSED_ON = (
    "DATASTORE_SYSROOT_S3 DATATOOLS_S3ROOT CARD_S3ROOT S3_SERVER_SIDE_ENCRYPTION SERVICE_HEADERS "
    "DEFAULT_METADATA DEFAULT_AWS_CLIENT_PROVIDER DEFAULT_GCP_CLIENT_PROVIDER DEFAULT_SECRETS_BACKEND_TYPE "
    "DEFAULT_SECRETS_ROLE AWS_SECRETS_MANAGER_DEFAULT_REGION AWS_SECRETS_MANAGER_DEFAULT_ROLE GCP_SECRET_MANAGER_PREFIX "
    "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT AZURE_KEY_VAULT_PREFIX DATASTORE_SYSROOT_AZURE CARD_AZUREROOT DATASTORE_SYSROOT_GS "
    "CARD_GSROOT OTEL_ENDPOINT OTEL_SERVICE_NAME ARGO_EVENTS_EVENT ARGO_EVENTS_EVENT_BUS ARGO_EVENTS_EVENT_SOURCE "
    "ARGO_EVENTS_SERVICE_ACCOUNT ARGO_EVENTS_WEBHOOK_URL KUBERNETES_FETCH_EC2_METADATA"
).split()
#: How S3 is reached and used, as the engine here has it. Not its memory: a pod has a limit of its own.
_S3_PASSED_ON = (
    "HEADRACE_S3_PATH_STYLE HEADRACE_S3_ANONYMOUS HEADRACE_S3_PATIENCE_S HEADRACE_S3_STALL_S "
    "HEADRACE_S3_MAX_GBPS HEADRACE_S3_MAX_CONNECTIONS AWS_REQUEST_CHECKSUM_CALCULATION"
).split()
#: What names the service, in the engine's order. Pods get it under the first name: the others are of every AWS client, also the user's.
_S3_ENDPOINT = ("METAFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
#: Beginnings of keys that a pod gets where they are not as they are by default.
_PASSED_ON_IF_CHANGED = ("METAFLOW_CONDA_", "METAFLOW_DEBUG_")


class PodRun(NamedTuple):
    """What all pods of a run have in common. spec: `pods` of the flow spec (wire.md, section 6). package: its bytes."""

    spec: Dict[str, Any]
    package: bytes


def kubernetes_of(decorators: List[Any]) -> Optional[Any]:
    """The `@kubernetes` among a step's decorators."""
    return next((deco for deco in decorators if deco.name == "kubernetes"), None)


# --- one step --------------------------------------------------------------------------------------------------


def pod_settings(deco: Any) -> Dict[str, Any]:
    """`kubernetes` of STEP: what `@kubernetes` asks for once `step_init` has settled it."""
    values = deco.attributes
    with_tmpfs = values["use_tmpfs"] or values["tmpfs_size"]
    return {
        "image": values["image"],
        "image_pull_policy": values["image_pull_policy"] or "",
        "namespace": values["namespace"],
        "service_account": values["service_account"] or "",
        "cpu": str(values["cpu"]),
        "memory_mb": str(values["memory"]),
        "disk_mb": str(values["disk"]),
        "gpu": "" if values["gpu"] is None else str(values["gpu"]),
        "gpu_vendor": str(values["gpu_vendor"]).lower(),
        "qos": (values["qos"] or "burstable").lower(),
        "executable": values["executable"] or "",
        "image_pull_secrets": _names(values["image_pull_secrets"]),
        "secrets": _secrets(values["secrets"]),
        "labels": _texts(values["labels"]),
        "annotations": {**_texts(values["annotations"]), **_project_annotations()},
        "node_selector": _texts(values["node_selector"]),
        "persistent_volume_claims": _texts(values["persistent_volume_claims"]),
        "tolerations": [dict(each) for each in values["tolerations"] or ()],
        "extended_resources": dict(values["extended_resources"] or {}),
        "security_context": dict(values["security_context"]) if values["security_context"] else None,
        "tmpfs_size_mib": _tmpfs_size(values) if with_tmpfs else None,
        "tmpfs_path": values["tmpfs_path"],
        "tmpfs_tempdir": bool(values["tmpfs_tempdir"]),
        "shared_memory_mib": _whole(values["shared_memory"]),
        "port": _whole(values["port"]),
        "time_limit_s": deco.run_time_limit,
    }


def retry_wait_s(decorators: List[Any]) -> int:
    """How long a pod's attempt waits that is not the first; `minutes_between_retries` of `@retry`."""
    for deco in decorators:
        if deco.name == "retry":
            return int(deco.attributes["minutes_between_retries"]) * 60
    return 0


def _names(value: Any) -> List[str]:
    if isinstance(value, str):
        value = value.split(",")
    return [str(name).strip() for name in value or () if str(name).strip()]


def _secrets(value: Any) -> List[str]:
    """Those of the step, then those of the configuration that it does not name."""
    from . import settings

    return list(dict.fromkeys(_names(value) + _names(settings.KUBERNETES_SECRETS)))


def _texts(pairs: Any) -> Dict[str, str]:
    return {str(key): "" if value is None else str(value) for key, value in (pairs or {}).items()}


def _project_annotations() -> Dict[str, str]:
    from .current import current

    found = {}
    for name in ("project_name", "branch_name", "project_flow_name"):
        value = current.get(name)
        if value:
            found["metaflow/" + name] = str(value)
    return found


def _whole(value: Any) -> Optional[int]:
    return int(value) if value else None


def _tmpfs_size(values: Dict[str, Any]) -> int:
    return int(float(values["tmpfs_size"])) if values["tmpfs_size"] else int(float(values["memory"])) // 2


# --- the run ---------------------------------------------------------------------------------------------------


def check_datastore(step_name: str, kind: str) -> None:
    """Raises KubernetesException for a datastore that a pod cannot reach."""
    if kind == "s3" or "METAFLOW_KUBERNETES_WORKLOAD" in os.environ:
        return
    raise KubernetesException(
        "Step *%s* runs in a pod, and a pod cannot reach the datastore of type *%s*. Use --datastore s3 and set "
        "METAFLOW_DATASTORE_SYSROOT_S3 to a place in S3 (or METAFLOW_DEFAULT_DATASTORE=s3, for all runs)." % (step_name, kind)
    )


def pod_run(obj: Any, options: List[str], configs: Any) -> Optional[PodRun]:
    """None if no step runs in a pod. Otherwise makes the code package.

    options: of the flow's command line, for the command that runs a step. configs: values of the flow's configs, or None.
    """
    if not any(kubernetes_of(node.decorators) for node in obj.graph):
        return None
    script = os.path.basename(_script())
    package = obj.package.blob
    for line in obj.package.size_notice():
        obj.echo(line, fg="yellow", no_bold="*" in line)
    return PodRun(
        {
            "environment": pod_environment(obj.flow_datastore, script),
            "command": [script] + options,
            "configs": json.dumps(configs) if configs else "",
            "code_package": {"size": len(package), "metadata": obj.package.package_metadata},
        },
        package,
    )


def _script() -> str:
    from .cli.context import script_path

    return script_path()


def pod_environment(datastore: Any, script: str) -> Dict[str, str]:
    """Environment variables of a run's pods, but for those that the engine alone knows (run, package, pod)."""
    from .identity import get_username

    found = dict(_settings())
    if datastore.TYPE == "s3":
        # What --datastore-root says counts for the pod's own clients too.
        found.setdefault("METAFLOW_DATASTORE_SYSROOT_S3", datastore.datastore_root)
    found.update(_s3_settings())
    found.update(
        METAFLOW_USER=get_username() or "",
        METAFLOW_DEFAULT_DATASTORE=datastore.TYPE,
        METAFLOW_FLOW_FILENAME=script,
        METAFLOW_KUBERNETES_WORKLOAD="1",
        METAFLOW_RUNTIME_ENVIRONMENT="kubernetes",
    )
    return found


def _settings() -> Iterator[Tuple[str, str]]:
    from . import settings

    for key in _PASSED_ON:
        value = getattr(settings, key, None)
        if value is None:
            continue
        if isinstance(value, (dict, list)):
            value = json.dumps(value)
        yield "METAFLOW_" + key, str(value)
    if settings.SERVICE_INTERNAL_URL:
        yield "METAFLOW_SERVICE_URL", str(settings.SERVICE_INTERNAL_URL)
    for name, text in settings.config_values():
        if name.startswith(_PASSED_ON_IF_CHANGED):
            yield name, text


def _s3_settings() -> Iterator[Tuple[str, str]]:
    """Of METAFLOW_DATATOOLS_CLIENT_PARAMS too, but no keys: those are in the pod's own place."""
    from .engine import engine_environment

    here = engine_environment()
    endpoint = next((here[name] for name in _S3_ENDPOINT if here.get(name)), None)
    if endpoint:
        yield _S3_ENDPOINT[0], endpoint
    for name in _S3_PASSED_ON:
        if here.get(name):
            yield name, here[name]
    # A file of certificates is one of this machine; Metaflow tells pods nothing of it.
    if here.get("METAFLOW_S3_VERIFY_CERTIFICATE") in ("0", "false", "False"):
        yield "METAFLOW_S3_VERIFY_CERTIFICATE", "False"


def make_package(obj: Any) -> Any:
    """The code package of the flow, made when its bytes are asked for."""
    from .package import MetaflowPackage

    return MetaflowPackage(obj.flow, obj.environment, obj.echo, suffixes=obj.package_suffixes)
