"""`metaflow.sidecar.sidecar_messages`: what sidecars are told."""

from headrace.sidecars import Message, MessageTypes  # noqa: F401
