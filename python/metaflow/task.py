"""`metaflow.task`: limits of what tasks record."""

from headrace.foreach import MAX_FOREACH_PATH_LENGTH  # noqa: F401
