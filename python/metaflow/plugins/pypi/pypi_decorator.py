"""`metaflow.plugins.pypi.pypi_decorator`: `@pypi` and `@pypi_base`."""

from headrace.decorators.pypi import PyPIFlowDecorator, PyPIStepDecorator  # noqa: F401
