"""`metaflow.plugins.retry_decorator`: `@retry`."""

from headrace.decorators.retry import MAX_ATTEMPTS, RetryDecorator  # noqa: F401
