"""`metaflow.plugins.argo.argo_events`: Events of Argo."""

from headrace.absent import getattr_of
from headrace.face import ArgoEvent  # noqa: F401

__getattr__ = getattr_of(__name__)
