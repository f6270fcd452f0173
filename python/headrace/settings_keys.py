"""The keys of the configuration, without their `METAFLOW_`, and their defaults."""

from __future__ import annotations

from typing import Any, Callable, Dict


class Other:
    """A default that is made from another key's value; None if that is None."""

    def __init__(self, key: str, make: Callable[[Any], Any] = lambda value: value) -> None:
        self.key = key
        self.make = make


def _below(key: str, folder: str) -> Other:
    return Other(key, lambda root: "%s/%s" % (str(root).rstrip("/"), folder))


#: Attributes that no configuration changes.
FIXED: Dict[str, Any] = {
    "DATASTORE_LOCAL_DIR": ".metaflow",
    "DATASTORE_SPIN_LOCAL_DIR": ".metaflow_spin",
    "LOCAL_CONFIG_FILE": "config.json",
    "CARD_SUFFIX": "mf.cards",
    "MAX_ATTEMPTS": 6,
    "RETRY_WARNING_THRESHOLD": 3,
}

#: Keys with a closed list of values.
CHOICES = {
    "AZURE_STORAGE_WORKLOAD_TYPE": ["general", "high_throughput"],
    "GS_STORAGE_WORKLOAD_TYPE": ["general", "high_throughput"],
}

_COMMON: Dict[str, Any] = {
    "DEFAULT_DATASTORE": "local",
    "DEFAULT_ENVIRONMENT": "local",
    "DEFAULT_EVENT_LOGGER": "nullSidecarLogger",
    "DEFAULT_METADATA": "local",
    "DEFAULT_MONITOR": "nullSidecarMonitor",
    "DEFAULT_PACKAGE_SUFFIXES": ".py,.R,.RDS",
    "DEFAULT_AWS_CLIENT_PROVIDER": "boto3",
    "DEFAULT_AZURE_CLIENT_PROVIDER": "azure-default",
    "DEFAULT_GCP_CLIENT_PROVIDER": "gcp-default",
    "DEFAULT_SECRETS_BACKEND_TYPE": None,
    "DEFAULT_SECRETS_ROLE": None,
    "DEFAULT_FROM_DEPLOYMENT_IMPL": "argo-workflows",
    "DEFAULT_DECOSPECS": "",
    "DEFAULT_RUNTIME_LIMIT": 5 * 24 * 60 * 60,
    "DEFAULT_CONTAINER_IMAGE": None,
    "DEFAULT_CONTAINER_REGISTRY": None,
    "SPIN_ALLOWED_DECORATORS": [
        "conda", "pypi", "conda_base", "pypi_base", "environment", "project", "timeout", "conda_env_internal", "card",
    ],
    "SPIN_DISALLOWED_DECORATORS": ["parallel"],
    "SPIN_PERSIST": False,
    "USER": None,
    "OWNER": None,
    "RUNTIME_NAME": None,
    "TEMPDIR": ".",
    "INCLUDE_FOREACH_STACK": True,
    "MAXIMUM_FOREACH_VALUE_CHARS": 30,
    "UI_URL": None,
    "CONTACT_INFO": {},
    "FEAT_ALWAYS_UPLOAD_CODE_PACKAGE": False,
    "PROFILE_FROM_START": False,
    "CLICK_API_PROCESS_CONFIG": True,
    "ESCAPE_HATCH_WARNING": True,
    "NAMESPACED_EVENTS_PREFIX": "mfns",
    "OTEL_ENDPOINT": None,
    "OTEL_SERVICE_NAME": "metaflow",
    "ZIPKIN_ENDPOINT": None,
    "CONSOLE_TRACE_ENABLED": False,
}

_STORAGE: Dict[str, Any] = {
    "DATASTORE_SYSROOT_LOCAL": None,
    "DATASTORE_SYSROOT_SPIN": None,
    "DATASTORE_SYSROOT_S3": None,
    "DATASTORE_SYSROOT_AZURE": None,
    "DATASTORE_SYSROOT_GS": None,
    "CLIENT_CACHE_PATH": "/tmp/metaflow_client",
    "CLIENT_CACHE_MAX_SIZE": 10000,
    "CLIENT_CACHE_MAX_FLOWDATASTORE_COUNT": 50,
    "CLIENT_CACHE_MAX_TASKDATASTORE_COUNT": Other("CLIENT_CACHE_MAX_FLOWDATASTORE_COUNT", lambda n: 100 * n),
    "S3_ENDPOINT_URL": None,
    "S3_VERIFY_CERTIFICATE": None,
    "S3_SERVER_SIDE_ENCRYPTION": None,
    "S3_RETRY_COUNT": 7,
    "S3_WORKER_COUNT": 64,
    "S3_TRANSIENT_RETRY_COUNT": 20,
    "S3_LOG_TRANSIENT_RETRIES": False,
    "S3_CLIENT_RETRY_CONFIG": {"max_attempts": 10, "mode": "adaptive"},
    "DATATOOLS_SUFFIX": "data",
    "DATATOOLS_S3ROOT": _below("DATASTORE_SYSROOT_S3", "data"),
    "DATATOOLS_AZUREROOT": _below("DATASTORE_SYSROOT_AZURE", "data"),
    "DATATOOLS_GSROOT": _below("DATASTORE_SYSROOT_GS", "data"),
    "DATATOOLS_LOCALROOT": _below("DATASTORE_SYSROOT_LOCAL", "data"),
    "DATATOOLS_CLIENT_PARAMS": {},
    "DATATOOLS_SESSION_VARS": {},
    "CARD_LOCALROOT": None,
    "CARD_S3ROOT": _below("DATASTORE_SYSROOT_S3", "mf.cards"),
    "CARD_AZUREROOT": _below("DATASTORE_SYSROOT_AZURE", "mf.cards"),
    "CARD_GSROOT": _below("DATASTORE_SYSROOT_GS", "mf.cards"),
    "CARD_NO_WARNING": False,
    "RUNTIME_CARD_RENDER_INTERVAL": 60,
    "AZURE_STORAGE_BLOB_SERVICE_ENDPOINT": None,
    "AZURE_STORAGE_WORKLOAD_TYPE": "general",
    "GS_STORAGE_WORKLOAD_TYPE": "general",
    "AWS_SECRETS_MANAGER_DEFAULT_REGION": None,
    "AWS_SECRETS_MANAGER_DEFAULT_ROLE": None,
    "GCP_SECRET_MANAGER_PREFIX": None,
    "AZURE_KEY_VAULT_PREFIX": None,
}

_SERVICES: Dict[str, Any] = {
    "SERVICE_URL": None,
    "SERVICE_RETRY_COUNT": 5,
    "SERVICE_AUTH_KEY": None,
    "SERVICE_HEADERS": {},
    "SERVICE_VERSION_CHECK": True,
    "SERVICE_INTERNAL_URL": Other("SERVICE_URL"),
    "AWS_SANDBOX_ENABLED": False,
    "AWS_SANDBOX_STS_ENDPOINT_URL": Other("SERVICE_URL"),
    "AWS_SANDBOX_API_KEY": None,
    "AWS_SANDBOX_INTERNAL_SERVICE_URL": None,
    "AWS_SANDBOX_REGION": None,
    "ECS_S3_ACCESS_IAM_ROLE": None,
    "ECS_FARGATE_EXECUTION_ROLE": None,
    "BATCH_JOB_QUEUE": None,
    "BATCH_CONTAINER_IMAGE": Other("DEFAULT_CONTAINER_IMAGE"),
    "BATCH_CONTAINER_REGISTRY": Other("DEFAULT_CONTAINER_REGISTRY"),
    "BATCH_EMIT_TAGS": False,
    "BATCH_DEFAULT_TAGS": {},
    "SFN_IAM_ROLE": None,
    "SFN_DYNAMO_DB_TABLE": None,
    "SFN_STATE_MACHINE_PREFIX": None,
    "SFN_EXECUTION_LOG_GROUP_ARN": None,
    "SFN_S3_DISTRIBUTED_MAP_OUTPUT_PATH": _below("DATASTORE_SYSROOT_S3", "sfn_distributed_map_output"),
    "SFN_COMPRESS_STATE_MACHINE": False,
    "EVENTS_SFN_ACCESS_IAM_ROLE": None,
    "CONDA_PACKAGE_S3ROOT": None,
    "CONDA_PACKAGE_AZUREROOT": None,
    "CONDA_PACKAGE_GSROOT": None,
    "CONDA_DEPENDENCY_RESOLVER": "conda",
    "CONDA_USE_FAST_INIT": False,
}

_KUBERNETES: Dict[str, Any] = {
    "KUBERNETES_NAMESPACE": "default",
    "KUBERNETES_SERVICE_ACCOUNT": None,
    "KUBERNETES_NODE_SELECTOR": "",
    "KUBERNETES_TOLERATIONS": "",
    "KUBERNETES_PERSISTENT_VOLUME_CLAIMS": "",
    "KUBERNETES_SECRETS": "",
    "KUBERNETES_LABELS": "",
    "KUBERNETES_ANNOTATIONS": "",
    "KUBERNETES_GPU_VENDOR": "nvidia",
    "KUBERNETES_CONTAINER_IMAGE": Other("DEFAULT_CONTAINER_IMAGE"),
    "KUBERNETES_IMAGE_PULL_POLICY": None,
    "KUBERNETES_IMAGE_PULL_SECRETS": "",
    "KUBERNETES_CONTAINER_REGISTRY": Other("DEFAULT_CONTAINER_REGISTRY"),
    "KUBERNETES_FETCH_EC2_METADATA": False,
    "KUBERNETES_SHARED_MEMORY": None,
    "KUBERNETES_PORT": None,
    "KUBERNETES_CPU": None,
    "KUBERNETES_MEMORY": None,
    "KUBERNETES_DISK": None,
    "KUBERNETES_QOS": "burstable",
    "KUBERNETES_CONDA_ARCH": None,
    "KUBERNETES_JOBSET_GROUP": "jobset.x-k8s.io",
    "KUBERNETES_JOBSET_VERSION": "v1alpha2",
    "KUBERNETES_JOB_TERMINATE_MODE": "stop",
    "KUBERNETES_JOB_TTL_SECONDS_AFTER_FINISHED": 7 * 24 * 60 * 60,
    "KUBERNETES_SANDBOX_INIT_SCRIPT": None,
    "ARGO_WORKFLOWS_CAPTURE_ERROR_SCRIPT": None,
    "ARGO_WORKFLOWS_KUBERNETES_SECRETS": "",
    "ARGO_WORKFLOWS_ENV_VARS_TO_SKIP": "",
    "ARGO_WORKFLOWS_UI_URL": None,
    "ARGO_WORKFLOWS_USE_SCHEDULES": False,
    "ARGO_EVENTS_SERVICE_ACCOUNT": None,
    "ARGO_EVENTS_EVENT_BUS": "default",
    "ARGO_EVENTS_EVENT_SOURCE": None,
    "ARGO_EVENTS_EVENT": None,
    "ARGO_EVENTS_WEBHOOK_URL": None,
    "ARGO_EVENTS_INTERNAL_WEBHOOK_URL": Other("ARGO_EVENTS_WEBHOOK_URL"),
    "ARGO_EVENTS_WEBHOOK_AUTH": "none",
    "ARGO_EVENTS_SENSOR_NAMESPACE": Other("KUBERNETES_NAMESPACE"),
    "AIRFLOW_KUBERNETES_STARTUP_TIMEOUT_SECONDS": 60 * 60,
    "AIRFLOW_KUBERNETES_CONN_ID": None,
    "AIRFLOW_KUBERNETES_KUBECONFIG_FILE": None,
    "AIRFLOW_KUBERNETES_KUBECONFIG_CONTEXT": None,
}

#: Key -> default, or how it is made. None: a text, or not set.
DEFAULTS: Dict[str, Any] = {**_COMMON, **_STORAGE, **_SERVICES, **_KUBERNETES}
