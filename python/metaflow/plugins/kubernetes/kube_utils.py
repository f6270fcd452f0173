"""`metaflow.plugins.kubernetes.kube_utils`: Values of `@kubernetes`."""

from headrace.decorators.kubernetes_values import (  # noqa: F401
    KubernetesException,
    parse_kube_keyvalue_list,
    validate_kube_labels,
)
from headrace.decorators.cloud_values import parse_cli_options, qos_requests_and_limits  # noqa: F401
