"""`metaflow.metaflow_environment`: What environments raise."""

from headrace.errors import InvalidEnvironmentException  # noqa: F401
from headrace.environments import MetaflowEnvironment  # noqa: F401
