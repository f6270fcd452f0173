"""`metaflow.plugins.aws.step_functions.schedule_decorator`: `@schedule`."""

from headrace.decorators.schedule import ScheduleDecorator  # noqa: F401
