"""`metaflow.system_context`: Where in a run the process is."""

from headrace.system_context import ExecutionPhase, SystemContext, system_context  # noqa: F401
