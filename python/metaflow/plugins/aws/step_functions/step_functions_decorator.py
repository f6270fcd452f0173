"""`metaflow.plugins.aws.step_functions.step_functions_decorator`: Internal to AWS Step Functions."""

from headrace.decorators.schedulers import StepFunctionsInternalDecorator  # noqa: F401
