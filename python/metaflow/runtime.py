"""`metaflow.runtime`: What a failed run raises."""

from headrace.errors import TaskFailed  # noqa: F401
