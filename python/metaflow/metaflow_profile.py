"""`metaflow.metaflow_profile`: Measures how long code takes."""

from headrace.profiling import from_start, profile  # noqa: F401
