"""`metaflow.system`: logger and monitor of the process; they do nothing."""

from headrace.face import _system_logger, _system_monitor  # noqa: F401
