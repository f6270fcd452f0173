"""`metaflow.sidecar`: helper processes; Headrace starts none."""

from headrace.sidecars import Message, MessageTypes, Sidecar  # noqa: F401
