"""`metaflow.plugins.resources_decorator`: `@resources`."""

from headrace.decorators.resources import ResourcesDecorator  # noqa: F401
