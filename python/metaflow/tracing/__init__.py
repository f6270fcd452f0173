"""`metaflow.tracing`: spans of OpenTelemetry; none are made."""

from headrace.face import get_trace_id, init_tracing, inject_tracing_vars, post_fork, traced, tracing  # noqa: F401
from headrace.face import tracing_cli as cli  # noqa: F401
