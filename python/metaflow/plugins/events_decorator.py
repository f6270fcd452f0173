"""`metaflow.plugins.events_decorator`: `@trigger` and `@trigger_on_finish`."""

from headrace.decorators.trigger import TriggerDecorator, TriggerOnFinishDecorator  # noqa: F401
