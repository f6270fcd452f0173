"""`metaflow.plugins.pypi.conda_decorator`: `@conda` and `@conda_base`."""

from headrace.decorators.conda import CondaFlowDecorator, CondaStepDecorator  # noqa: F401
