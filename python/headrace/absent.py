"""Modules of Metaflow that Headrace has no use for: they import, and using what they define is refused with one clear error.

Extensions and tools import such modules at their top (`from metaflow.plugins.argo.argo_workflows import ArgoWorkflows`), often
only to compare classes or to patch them. `FINDER` stands last in `sys.meta_path`, so that it is asked only for modules that do not
exist as files.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

_RUN = "Run the flow with `run`."
_FILES = "Read runs with the Client (`metaflow.Run`), or ask `python -m metaflow` and the flow's own commands."

#: feature: (what is not there, what to do instead, {module below `metaflow`: classes and functions}).
_FEATURES: Dict[str, Tuple[str, str, Dict[str, str]]] = {
    "argo": ("support for Argo Workflows", _RUN, {
        "plugins.argo.argo_events": "ArgoEventException",
        "plugins.argo.argo_client": "ArgoClient ArgoClientException ArgoNotPermitted ArgoResourceNotFound wrap_api_error",
        "plugins.argo.argo_workflows": "ArgoWorkflows ArgoWorkflowsException ArgoWorkflowsSchedulingException "
        "ArgoWorkflowsSensorCleanupException WorkflowTemplate WorkflowSpec Sensor Trigger",
        "plugins.argo.argo_workflows_cli": "argo_workflows resolve_workflow_name_v1 resolve_workflow_name_v2 make_flow cli "
        "create trigger delete status suspend unsuspend terminate "
        "ArgoWorkflowsNameTooLong IncorrectProductionToken RunIdMismatch UnsupportedPythonVersion",
        "plugins.argo.argo_workflows_deployer": "ArgoWorkflowsDeployer",
        "plugins.argo.argo_workflows_deployer_objects": "ArgoWorkflowsDeployedFlow ArgoWorkflowsTriggeredRun",
        "plugins.argo.exit_hooks": "Hook HttpExitHook ContainerHook ExitHookHack JsonSerializable",
    }),
    "step_functions": ("support for AWS Step Functions", _RUN, {
        "plugins.aws.step_functions.step_functions": "StepFunctions StepFunctionsException StepFunctionsSchedulingException",
        "plugins.aws.step_functions.step_functions_cli": "step_functions cli create trigger terminate list_runs "
        "IncorrectProductionToken RunIdMismatch StepFunctionsStateMachineNameTooLong",
        "plugins.aws.step_functions.step_functions_client": "StepFunctionsClient",
        "plugins.aws.step_functions.step_functions_deployer": "StepFunctionsDeployer",
        "plugins.aws.step_functions.step_functions_deployer_objects": "StepFunctionsDeployedFlow StepFunctionsTriggeredRun",
        "plugins.aws.step_functions.dynamo_db_client": "DynamoDbClient",
        "plugins.aws.step_functions.event_bridge_client": "EventBridgeClient",
        "plugins.aws.step_functions.production_token": "load_token new_token store_token",
    }),
    "airflow": ("support for Airflow", _RUN, {
        "plugins.airflow.airflow": "Airflow",
        "plugins.airflow.airflow_cli": "airflow cli create IncorrectProductionToken",
        "plugins.airflow.airflow_utils": "Workflow AirflowTask",
    }),
    "batch": ("support for AWS Batch", _RUN, {
        "plugins.aws.batch.batch": "Batch BatchKilledException",
        "plugins.aws.batch.batch_cli": "batch cli kill step",
        "plugins.aws.batch.batch_client": "BatchClient BatchJob BatchJobException RunningJob TriableException",
    }),
    "kubernetes": ("a Kubernetes backend", _RUN, {
        "plugins.kubernetes.kubernetes": "Kubernetes KubernetesKilledException",
        "plugins.kubernetes.kubernetes_cli": "kubernetes cli kill step",
        "plugins.kubernetes.kubernetes_client": "KubernetesClient KubernetesClientException",
        "plugins.kubernetes.kubernetes_job": "KubernetesJob KubernetesJobException RunningJob k8s_retry",
        "plugins.kubernetes.kubernetes_jobsets": "KubernetesJobSet KubernetesArgoJobSet KubernetesJobsetException RunningJobSet",
        "plugins.kubernetes.spot_metadata_cli": "cli spot_metadata record",
        "plugins.kubernetes.spot_monitor_sidecar": "SpotTerminationMonitorSidecar",
    }),
    "clouds": ("clients of clouds", "Use the cloud's own client in your step.", {
        "plugins.aws.aws_client": "Boto3ClientProvider get_aws_client",
        "plugins.aws.secrets_manager": "",
        "plugins.aws.secrets_manager.aws_secrets_manager_secrets_provider": "AwsSecretsManagerSecretsProvider "
        "MetaflowAWSSecretsManagerBadResponse MetaflowAWSSecretsManagerDuplicateKey MetaflowAWSSecretsManagerJSONParseError "
        "MetaflowAWSSecretsManagerNotJSONObject",
        "plugins.azure": "",
        "plugins.azure.azure_credential": "AzureDefaultClientProvider create_cacheable_azure_credential",
        "plugins.azure.azure_exceptions": "MetaflowAzureAuthenticationError MetaflowAzurePackageError MetaflowAzureResourceError",
        "plugins.azure.azure_secret_manager_secrets_provider": "AzureKeyVaultSecretsProvider",
        "plugins.azure.azure_utils": "check_azure_deps parse_azure_full_path",
        "plugins.azure.blob_service_client_factory": "get_azure_blob_service_client",
        "plugins.azure.includefile_support": "Azure",
        "plugins.gcp": "",
        "plugins.gcp.gcp_secret_manager_secrets_provider": "GcpSecretManagerSecretsProvider "
        "MetaflowGcpSecretsManagerBadResponse MetaflowGcpSecretsManagerDuplicateKey MetaflowGcpSecretsManagerJSONParseError "
        "MetaflowGcpSecretsManagerNotJSONObject",
        "plugins.gcp.gs_exceptions": "MetaflowGSPackageError",
        "plugins.gcp.gs_storage_client_factory": "GcpDefaultClientProvider get_gs_storage_client",
        "plugins.gcp.gs_utils": "check_gs_deps parse_gs_full_path",
        "plugins.gcp.includefile_support": "GS",
        "plugins.datastores.azure_storage": "AzureStorage",
        "plugins.datastores.gs_storage": "GSStorage",
        "plugins.datastores.s3_storage": "S3Storage",
        "plugins.datatools.s3.s3op": "S3Ops cli get put lst info",
        "plugins.datatools.s3.s3tail": "S3Tail",
        "plugins.datatools.s3.s3util": "aws_retry get_s3_client get_timestamp read_in_chunks",
    }),
    "environments": ("environments of @conda, @pypi and uv", "Install the packages where the flow runs.", {
        "plugins.pypi.bootstrap": "",
        "plugins.pypi.conda_environment": "CondaEnvironment CondaEnvironmentException",
        "plugins.pypi.micromamba": "Micromamba MicromambaException",
        "plugins.pypi.pip": "Pip PipException PipPackageNotFound",
        "plugins.pypi.pypi_environment": "PyPIEnvironment",
        "plugins.pypi.utils": "conda_platform pip_tags parse_filename_from_url wheel_tags",
        "plugins.uv": "",
        "plugins.uv.uv_environment": "UVEnvironment UVException",
    }),
    "service": ("a client of the metadata service", "Use `--metadata local`.", {
        "plugins.metadata_providers.service": "ServiceMetadataProvider ServiceException HeartbeatTypes",
        "metadata_provider.heartbeat": "MetadataHeartBeat HeartBeatException",
    }),
    "internals": ("Metaflow's own datastore and runtime: the engine does their work", _FILES, {
        "datastore.content_addressed_store": "ContentAddressedStore BlobCache",
        "datastore.datastore_set": "TaskDataStoreSet ImmutableBlobCache",
        "datastore.flow_datastore": "FlowDataStore MetadataCache",
        "datastore.spin_datastore": "SpinTaskDatastore",
        "datastore.task_datastore": "TaskDataStore ArtifactTooLarge only_if_not_done require_mode",
        "datastore.artifacts": "ArtifactSerializer SerializationFormat SerializationMetadata SerializedBlob",
        "datastore.artifacts.serializer": "ArtifactSerializer SerializationFormat SerializationMetadata SerializedBlob "
        "SerializerStore",
        "datastore.artifacts.diagnostic": "list_serializer_status",
        "datastore.artifacts.lazy_registry": "",
        "plugins.datastores.serializers": "",
        "plugins.datastores.serializers.pickle_serializer": "PickleSerializer",
        "plugins.datastores.spin_storage": "SpinStorage",
        "client.filecache": "FileCache FileBlobCache TaskMetadataCache",
        "metadata_provider.util": "sync_local_metadata_to_datastore sync_local_metadata_from_datastore",
        "plugins.cards.card_resolver": "resolve_paths_from_task",
        "plugins.cards.metadata": "",
        "plugins.package_suffixes_mutator": "package_suffixes",
        "runner.deployer_impl": "DeployerImpl",
        "system.system_utils": "DummyFlow init_environment_outside_flow",
        "tracing.tracing_modules": "",
        "plugins.pypi.pip_patcher": "",
        "plugins.storage_executor": "StorageExecutor handle_executor_exceptions BrokenStorageExecutorError",
        "tracing.propagator": "EnvPropagator",
        "tracing.span_exporter": "get_span_exporter",
        "cmd.configure_cmd": "cli configure",
        "cmd.tutorials_cmd": "cli tutorials",
        "cmd.make_wrapper": "main",
        "cmd.develop": "cli develop CommandObj",
        "cmd.develop.stub_generator": "StubGenerator",
        "cmd.develop.stubs": "stubs",
        "cmd.code": "cli code extract_code_package diff_runs",
        "includefile": "UploaderV1 UploaderV2",
        "clone_util": "clone_task_helper",
        "cli_components": "",
        "cli_components.dump_cmd": "dump",
        "cli_components.init_cmd": "init",
        "cli_components.run_cmds": "run resume spin",
        "cli_components.step_cmd": "step spin_step",
        "cli_components.utils": "LazyGroup LazyPluginCommandCollection",
        "plugins.cards.card_cli": "cli card",
        "plugins.cards.card_creator": "CardCreator CardProcessManager",
        "plugins.cards.card_datastore": "CardDatastore",
        "plugins.cards.card_server": "create_card_server CardServerOptions",
        "plugins.logs_cli": "cli logs",
        "plugins.tag_cli": "cli tag",
        "plugins.package_cli": "cli package",
        "plugins.debug_logger": "DebugEventLogger DebugEventLoggerSidecar",
        "plugins.debug_monitor": "DebugMonitor DebugMonitorSidecar",
        "sidecar.sidecar_subprocess": "SidecarSubProcess PipeUnavailableError NullSidecarError MsgTimeoutError NullPoller",
        "sidecar.sidecar_worker": "main",
        "mflog.save_logs": "save_logs",
        "mflog.save_logs_periodically": "SaveLogsPeriodicallySidecar",
        "packaging_sys.backend": "PackagingBackend",
        "packaging_sys.tar_backend": "TarPackagingBackend",
        "packaging_sys.v1": "MetaflowCodeContentV1",
        "runtime": "NativeRuntime SpinRuntime Task Worker TruncatedBuffer",
        "task": "MetaflowTask",
        "extension_support.plugins": "process_plugins resolve_plugins get_plugin merge_lists",
        "extension_support.cmd": "process_cmds resolve_cmds",
        "extension_support.integrations": "process_integration_aliases",
        "R": "run call_r use_r get_r_func",
    }),
}
_WHERE: Dict[str, Tuple[str, str, List[str]]] = {
    "metaflow." + module: (what, instead, names.split())
    for what, instead, modules in _FEATURES.values()
    for module, names in modules.items()
}


def named(module: str, name: str) -> Any:
    """The stand-in for a name of a module. AttributeError if Metaflow has no such name there."""
    known = _WHERE.get(module)
    if known is None or name not in known[2]:
        raise AttributeError("module '%s' has no attribute '%s'" % (module, name))
    from .errors import MetaflowException

    text = "%s.%s is not available: this version of Headrace does not have %s. %s" % (module, name, known[0], known[1])

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise MetaflowException(text)

    if not name[0].isupper():
        refuse.__name__, refuse.__module__ = name, module
        return refuse
    if name.endswith(("Exception", "Error", "NotFound", "NotPermitted", "TooLong", "Token", "Mismatch", "TooLarge", "Key")):
        # Nothing raises it; it is there for `except`.
        return type(name, (MetaflowException,), {"__module__": module})
    return type(name, (), {"__module__": module, "__init__": refuse, "__doc__": text})


def getattr_of(module: str) -> Any:
    """`__getattr__` of a module: stand-ins for the names that it does not define itself."""

    def find(name: str) -> Any:
        import sys

        value = named(module, name)
        setattr(sys.modules[module], name, value)
        return value

    return find


class Loader:
    """Makes a module whose names are stand-ins."""

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        what = _WHERE[module.__name__]
        module.__doc__ = "%s: this version of Headrace does not have %s." % (module.__name__, what[0])
        module.__getattr__ = getattr_of(module.__name__)
        module.__all__ = list(what[2])


def find_spec(name: str) -> Optional[Any]:
    """The spec of a module that imports without being there; None for other names."""
    if name not in _WHERE:
        return None
    from importlib.machinery import ModuleSpec

    is_package = any(other.startswith(name + ".") for other in _WHERE)
    return ModuleSpec(name, Loader(), is_package=is_package)  # type: ignore[arg-type]
