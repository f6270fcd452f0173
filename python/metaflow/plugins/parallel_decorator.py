"""`metaflow.plugins.parallel_decorator`: `@parallel`."""

from headrace.decorators.parallel import ParallelDecorator  # noqa: F401
