"""`metaflow.plugins.kubernetes.kubernetes`: What Kubernetes raises."""

from headrace.absent import getattr_of
from headrace.decorators.kubernetes_values import KubernetesException  # noqa: F401

__getattr__ = getattr_of(__name__)
