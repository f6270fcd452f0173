"""`metaflow.plugins.aws.batch.batch`: What AWS Batch raises."""

from headrace.decorators.batch import BatchException  # noqa: F401
