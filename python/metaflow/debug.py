"""`metaflow.debug`: debug lines, switched on by `METAFLOW_DEBUG_<AREA>`."""

from headrace.debug import Debug, debug  # noqa: F401
