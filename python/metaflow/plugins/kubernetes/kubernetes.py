"""`metaflow.plugins.kubernetes.kubernetes`: What Kubernetes raises."""

from headrace.decorators.kubernetes_values import KubernetesException  # noqa: F401
