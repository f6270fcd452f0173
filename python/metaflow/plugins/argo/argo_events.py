"""`metaflow.plugins.argo.argo_events`: Events of Argo."""

from headrace.face import ArgoEvent  # noqa: F401
