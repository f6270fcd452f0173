"""`metaflow.runtime`: what a failed run raises, and a run's limits."""

from headrace.absent import getattr_of
from headrace.errors import TaskFailed  # noqa: F401

MAX_WORKERS = 16
MAX_NUM_SPLITS = 100
MAX_LOG_SIZE = 1024 * 1024

__getattr__ = getattr_of(__name__)
