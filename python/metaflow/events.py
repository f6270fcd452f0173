"""`metaflow.events`: What started a run."""

from headrace.client.trigger import MetaflowEvent, Trigger  # noqa: F401
