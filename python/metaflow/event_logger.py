"""`metaflow.event_logger`: loggers of events; only the one that does nothing."""

from headrace.face import NullEventLogger  # noqa: F401
