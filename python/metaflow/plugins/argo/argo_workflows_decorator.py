"""`metaflow.plugins.argo.argo_workflows_decorator`: Internal to Argo Workflows."""

from headrace.decorators.schedulers import ArgoWorkflowsInternalDecorator  # noqa: F401
