"""`metaflow.plugins.aws.batch.batch_decorator`: `@batch`."""

from headrace.decorators.batch import BatchDecorator  # noqa: F401
