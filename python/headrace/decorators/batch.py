"""`@batch`: a step on AWS Batch. Attaching it is fine; running it is refused with what to do instead."""

from __future__ import annotations

from typing import Any, Dict, Iterable

from ..errors import MetaflowException
from .base import StepDecorator
from .kubernetes_values import default_image, with_registry
from .timeout import get_run_time_limit_for_task


class BatchException(MetaflowException):
    headline = "AWS Batch error"


BatchException.__module__ = "metaflow.plugins.aws.batch.batch"

_NOT_SUPPORTED = (
    "Headrace does not support AWS Batch. To run step *%s* locally, leave out `--with batch` or remove @batch from the "
    "step."
)

#: What counts when neither `@batch` nor `@resources` says a value.
RESOURCE_DEFAULTS = {"cpu": "1", "gpu": "0", "memory": "4096"}

_CONFIGURED = {
    "queue": "BATCH_JOB_QUEUE",
    "iam_role": "ECS_S3_ACCESS_IAM_ROLE",
    "execution_role": "ECS_FARGATE_EXECUTION_ROLE",
}


class BatchDecorator(StepDecorator):
    """Runs a step on AWS Batch. Arguments as Metaflow's; memory in MB, shared_memory and tmpfs_size in MiB."""

    name = "batch"
    defaults: Dict[str, Any] = {
        "cpu": None,
        "gpu": None,
        "memory": None,
        "image": None,
        "queue": None,
        "iam_role": None,
        "execution_role": None,
        "shared_memory": None,
        "max_swap": None,
        "swappiness": None,
        "inferentia": None,
        "trainium": None,
        "efa": None,
        "host_volumes": None,
        "efs_volumes": None,
        "use_tmpfs": False,
        "aws_batch_tags": None,
        "tmpfs_tempdir": True,
        "tmpfs_size": None,
        "tmpfs_path": "/metaflow_temp",
        "ephemeral_storage": None,
        "log_driver": None,
        "log_options": None,
        "executable": None,
        "privileged": False,
    }
    resource_defaults = RESOURCE_DEFAULTS
    supports_conda_environment = True
    target_platform = "linux-64"
    run_time_limit = None

    def __init__(self, attributes: Any = None, statically_defined: bool = False, inserted_by: Any = None) -> None:
        super().__init__(attributes, statically_defined, inserted_by)
        from .. import settings

        for name, key in _CONFIGURED.items():
            if name not in self._user_defined_attributes:
                self.attributes[name] = getattr(settings, key)

    def init(self) -> None:
        from .. import settings

        values = self.attributes
        values["image"] = with_registry(
            values["image"] or default_image(settings.BATCH_CONTAINER_IMAGE), settings.BATCH_CONTAINER_REGISTRY
        )
        if values["inferentia"] is not None and values["trainium"] is not None:
            raise BatchException("only specify a value for 'inferentia' or 'trainium', not both.")
        trainium = values.pop("trainium", None)
        if trainium is not None:
            values["inferentia"] = trainium
        configured = settings.BATCH_DEFAULT_TAGS
        if not _is_text_dict(configured):
            raise BatchException("BATCH_DEFAULT_TAGS environment variable must be Dict[str, str]")
        if values["aws_batch_tags"] is not None and not _is_text_dict(values["aws_batch_tags"]):
            raise BatchException("aws_batch_tags must be Dict[str, str]")
        values["aws_batch_tags"] = {**configured, **(values["aws_batch_tags"] or {})}

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.step = step_name
        self.attributes.update(compute_resource_attributes(decorators, self, self.resource_defaults))
        self.run_time_limit = get_run_time_limit_for_task(decorators)
        if self.run_time_limit < 60:
            raise BatchException(
                "The timeout for step *%s* should be at least 60 seconds for execution on AWS Batch." % step_name
            )
        if self.attributes["tmpfs_path"] and self.attributes["tmpfs_path"][0] != "/":
            raise BatchException("'tmpfs_path' needs to be an absolute path")

    def runtime_init(self, flow: Any, graph: Any, package: Any, run_id: Any) -> None:
        raise BatchException(_NOT_SUPPORTED % self.step)


BatchDecorator.__module__ = "metaflow.plugins.aws.batch.batch_decorator"


def _is_text_dict(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in value.items())


def compute_resource_attributes(decos: Iterable[Any], compute_deco: Any, resource_defaults: Dict[str, Any]) -> Dict[str, Any]:
    """Values of a compute decorator merged with the step's `@resources`: the larger of the two, as text."""
    result: Dict[str, Any] = {key: value for key, value in resource_defaults.items() if value is not None}
    supported = set(resource_defaults) | set(compute_deco.attributes)
    for deco in decos:
        if deco.name != "resources":
            continue
        for key, asked in deco.attributes.items():
            own = compute_deco.attributes.get(key)
            if key not in supported or (own is None and asked is None):
                continue
            if own is None or asked is None:
                result[key] = str((asked if own is None else own) or "0")
                continue
            try:
                result[key] = str(max(float(own or 0), float(asked or 0)))
            except ValueError:
                if own != asked:
                    raise MetaflowException(
                        "'resources' and compute decorator have conflicting values for '%s'. Please use consistent "
                        "values or specify this resource constraint once" % key
                    ) from None
        return result
    for key in resource_defaults:
        if compute_deco.attributes.get(key) is not None:
            result[key] = str(compute_deco.attributes[key] or "0")
    return result
