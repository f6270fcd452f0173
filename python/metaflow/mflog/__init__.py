"""`metaflow.mflog`: Framing of log lines."""

from headrace.mflog import LOG_SOURCES, RUNTIME_LOG_SOURCE, TASK_LOG_SOURCE, update_delay  # noqa: F401
