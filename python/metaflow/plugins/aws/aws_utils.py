"""`metaflow.plugins.aws.aws_utils`: Values of `@batch`."""

from headrace.decorators.batch import compute_resource_attributes  # noqa: F401
from headrace.decorators.kubernetes_values import get_docker_registry  # noqa: F401
