"""`metaflow.plugins.timeout_decorator`: `@timeout`."""

from headrace.errors import TimeoutException  # noqa: F401
from headrace.decorators.timeout import TimeoutDecorator, get_run_time_limit_for_task  # noqa: F401
