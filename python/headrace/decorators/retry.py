"""`@retry`: a failed task is tried again."""

from __future__ import annotations

from typing import Any, Tuple

from ..errors import MetaflowException
from .base import StepDecorator, whole_number

#: A task has at most this many attempts, the fallback ones of `@catch` included.
MAX_ATTEMPTS = 6


class RetryDecorator(StepDecorator):
    """Tries a failed task again.

    times: how often, at most 4; 0 keeps `--with retry` away from the step. minutes_between_retries: the wait of remote
    tasks before an attempt that is not the first; local tasks do not wait.
    """

    name = "retry"
    defaults = {"times": "3", "minutes_between_retries": "2"}

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        if whole_number(self, "times") + 2 > MAX_ATTEMPTS:
            raise MetaflowException("The maximum number of retries is @retry(times=%d)." % (MAX_ATTEMPTS - 2))

    def step_task_retry_count(self) -> Tuple[int, int]:
        return int(self.attributes["times"]), 0


RetryDecorator.__module__ = "metaflow.plugins.retry_decorator"
