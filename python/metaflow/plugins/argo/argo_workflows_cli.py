"""`metaflow.plugins.argo.argo_workflows_cli`: names on Argo Workflows; its commands are refused."""

from headrace.absent import getattr_of
from headrace.decorators.cloud_values import sanitize_for_argo  # noqa: F401

__getattr__ = getattr_of(__name__)
