"""`metaflow.plugins.retry_decorator`: `@retry`."""

from headrace.decorators.retry import RetryDecorator  # noqa: F401
