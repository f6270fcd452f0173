"""`metaflow.plugins.catch_decorator`: `@catch`."""

from headrace.errors import FailureHandledByCatch  # noqa: F401
from headrace.decorators.catch import NUM_FALLBACK_RETRIES, CatchDecorator  # noqa: F401
