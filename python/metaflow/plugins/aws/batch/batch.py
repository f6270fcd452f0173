"""`metaflow.plugins.aws.batch.batch`: What AWS Batch raises."""

from headrace.absent import getattr_of
from headrace.decorators.batch import BatchException  # noqa: F401

__getattr__ = getattr_of(__name__)
