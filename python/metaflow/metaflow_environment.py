"""`metaflow.metaflow_environment`: What environments raise."""

from headrace.errors import InvalidEnvironmentException  # noqa: F401
from headrace.cli.context import Environment as MetaflowEnvironment  # noqa: F401
