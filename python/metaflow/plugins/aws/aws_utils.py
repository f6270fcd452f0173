"""`metaflow.plugins.aws.aws_utils`: Values of `@batch` and of AWS."""

from headrace.decorators.batch import compute_resource_attributes  # noqa: F401
from headrace.decorators.cloud_values import (  # noqa: F401
    get_ec2_instance_metadata,
    parse_s3_full_path,
    sanitize_batch_tag,
    validate_aws_tag,
)
from headrace.decorators.kubernetes_values import get_docker_registry  # noqa: F401
