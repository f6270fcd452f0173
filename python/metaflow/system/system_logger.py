"""`metaflow.system.system_logger`: the process's logger; it does nothing."""

from headrace.face import _SystemLogger as SystemLogger  # noqa: F401
