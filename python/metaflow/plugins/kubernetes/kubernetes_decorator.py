"""`metaflow.plugins.kubernetes.kubernetes_decorator`: `@kubernetes`."""

from headrace.decorators.kubernetes import KubernetesDecorator, SUPPORTED_KUBERNETES_QOS_CLASSES  # noqa: F401
from headrace.decorators.kubernetes_values import KubernetesException  # noqa: F401
