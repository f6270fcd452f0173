"""`metaflow.plugins.environment_decorator`: `@environment`."""

from headrace.decorators.environment import EnvironmentDecorator  # noqa: F401
