"""`metaflow.sidecar.sidecar`: helper processes; Headrace starts none."""

from headrace.sidecars import Sidecar  # noqa: F401
