"""`metaflow.integrations`: events of production schedulers."""

from headrace.face import ArgoEvent  # noqa: F401
