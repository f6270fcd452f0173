"""The lists of `metaflow.plugins`: names of built-in decorators, backends and cards, and where Metaflow keeps them."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

Described = List[Tuple[str, str]]

#: What each `<KIND>_DESC` of Metaflow says: a name, and the class below `metaflow.plugins`.
DESCRIPTIONS: Dict[str, Described] = {
    "STEP_DECORATORS_DESC": [
        ("catch", ".catch_decorator.CatchDecorator"),
        ("timeout", ".timeout_decorator.TimeoutDecorator"),
        ("environment", ".environment_decorator.EnvironmentDecorator"),
        ("secrets", ".secrets.secrets_decorator.SecretsDecorator"),
        ("parallel", ".parallel_decorator.ParallelDecorator"),
        ("retry", ".retry_decorator.RetryDecorator"),
        ("resources", ".resources_decorator.ResourcesDecorator"),
        ("batch", ".aws.batch.batch_decorator.BatchDecorator"),
        ("kubernetes", ".kubernetes.kubernetes_decorator.KubernetesDecorator"),
        ("argo_workflows_internal", ".argo.argo_workflows_decorator.ArgoWorkflowsInternalDecorator"),
        ("step_functions_internal", ".aws.step_functions.step_functions_decorator.StepFunctionsInternalDecorator"),
        ("unbounded_test_foreach_internal", ".test_unbounded_foreach_decorator.InternalTestUnboundedForeachDecorator"),
        ("card", ".cards.card_decorator.CardDecorator"),
        ("pytorch_parallel", ".frameworks.pytorch.PytorchParallelDecorator"),
        ("airflow_internal", ".airflow.airflow_decorator.AirflowInternalDecorator"),
        ("pypi", ".pypi.pypi_decorator.PyPIStepDecorator"),
        ("conda", ".pypi.conda_decorator.CondaStepDecorator"),
    ],
    "FLOW_DECORATORS_DESC": [
        ("schedule", ".aws.step_functions.schedule_decorator.ScheduleDecorator"),
        ("project", ".project_decorator.ProjectDecorator"),
        ("trigger", ".events_decorator.TriggerDecorator"),
        ("trigger_on_finish", ".events_decorator.TriggerOnFinishDecorator"),
        ("pypi_base", ".pypi.pypi_decorator.PyPIFlowDecorator"),
        ("conda_base", ".pypi.conda_decorator.CondaFlowDecorator"),
        ("exit_hook", ".exit_hook.exit_hook_decorator.ExitHookDecorator"),
        ("airflow_external_task_sensor", ".airflow.sensors.ExternalTaskSensorDecorator"),
        ("airflow_s3_key_sensor", ".airflow.sensors.S3KeySensorDecorator"),
    ],
    "METADATA_PROVIDERS_DESC": [
        ("service", ".metadata_providers.service.ServiceMetadataProvider"),
        ("local", ".metadata_providers.local.LocalMetadataProvider"),
        ("spin", ".metadata_providers.spin.SpinMetadataProvider"),
    ],
    "DATASTORES_DESC": [
        ("local", ".datastores.local_storage.LocalStorage"),
        ("spin", ".datastores.spin_storage.SpinStorage"),
        ("s3", ".datastores.s3_storage.S3Storage"),
        ("azure", ".datastores.azure_storage.AzureStorage"),
        ("gs", ".datastores.gs_storage.GSStorage"),
    ],
    "DATACLIENTS_DESC": [
        ("local", ".datatools.Local"),
        ("s3", ".datatools.S3"),
        ("azure", ".azure.includefile_support.Azure"),
        ("gs", ".gcp.includefile_support.GS"),
    ],
    "ENVIRONMENTS_DESC": [
        ("conda", ".pypi.conda_environment.CondaEnvironment"),
        ("pypi", ".pypi.pypi_environment.PyPIEnvironment"),
        ("uv", ".uv.uv_environment.UVEnvironment"),
    ],
    "LOGGING_SIDECARS_DESC": [("nullSidecarLogger", "metaflow.event_logger.NullEventLogger")],
    "MONITOR_SIDECARS_DESC": [("nullSidecarMonitor", "metaflow.monitor.NullMonitor")],
    "SECRETS_PROVIDERS_DESC": [
        ("inline", ".secrets.inline_secrets_provider.InlineSecretsProvider"),
        (
            "aws-secrets-manager",
            ".aws.secrets_manager.aws_secrets_manager_secrets_provider.AwsSecretsManagerSecretsProvider",
        ),
        ("gcp-secret-manager", ".gcp.gcp_secret_manager_secrets_provider.GcpSecretManagerSecretsProvider"),
        ("az-key-vault", ".azure.azure_secret_manager_secrets_provider.AzureKeyVaultSecretsProvider"),
    ],
    "AWS_CLIENT_PROVIDERS_DESC": [("boto3", ".aws.aws_client.Boto3ClientProvider")],
    "AZURE_CLIENT_PROVIDERS_DESC": [("azure-default", ".azure.azure_credential.AzureDefaultClientProvider")],
    "GCP_CLIENT_PROVIDERS_DESC": [("gcp-default", ".gcp.gs_storage_client_factory.GcpDefaultClientProvider")],
    "DEPLOYER_IMPL_PROVIDERS_DESC": [
        ("argo-workflows", ".argo.argo_workflows_deployer.ArgoWorkflowsDeployer"),
        ("step-functions", ".aws.step_functions.step_functions_deployer.StepFunctionsDeployer"),
    ],
    "TL_PLUGINS_DESC": [
        ("yaml_parser", ".parsers.yaml_parser"),
        ("requirements_txt_parser", ".pypi.parsers.requirements_txt_parser"),
        ("namespaced_event_name", ".namespaced_events.namespaced_event_name"),
        ("pyproject_toml_parser", ".pypi.parsers.pyproject_toml_parser"),
        ("conda_environment_yml_parser", ".pypi.parsers.conda_environment_yml_parser"),
    ],
    "SIDECARS_DESC": [],
    "RUNNER_CLIS_DESC": [],
}

#: Lists that are dictionaries, by the names of their descriptions, in Metaflow.
_BY_NAME = ("DATACLIENTS", "LOGGING_SIDECARS", "MONITOR_SIDECARS", "SIDECARS", "TL_PLUGINS")
#: Lists of classes.
_CLASSES = (
    "METADATA_PROVIDERS", "DATASTORES", "ENVIRONMENTS", "AWS_CLIENT_PROVIDERS", "AZURE_CLIENT_PROVIDERS",
    "GCP_CLIENT_PROVIDERS",
)


def _load(path: str) -> Any:
    from importlib import import_module

    module, _, name = ("metaflow.plugins" + path if path.startswith(".") else path).rpartition(".")
    return getattr(import_module(module), name)


def plugin_list(name: str) -> Any:
    """The attribute `name` of `metaflow.plugins`. KeyError if it is none of these."""
    if name in DESCRIPTIONS:
        return list(DESCRIPTIONS[name])
    if name in _BY_NAME:
        return {key: _load(path) for key, path in DESCRIPTIONS[name + "_DESC"]}
    if name in _CLASSES:
        classes = [(key, _load(path)) for key, path in DESCRIPTIONS[name + "_DESC"]]
        for key, cls in classes:
            if not hasattr(cls, "TYPE"):
                cls.TYPE = key
        return [cls for _, cls in classes]
    if name == "SENSOR_FLOW_DECORATORS":
        return [each for each in DESCRIPTIONS["FLOW_DECORATORS_DESC"] if each[0].startswith("airflow_")]
    raise KeyError(name)
