"""`metaflow.task`: limits of what tasks record."""

from headrace.absent import getattr_of
from headrace.foreach import MAX_FOREACH_PATH_LENGTH  # noqa: F401

__getattr__ = getattr_of(__name__)
