"""`metaflow.user_decorators.mutable_flow`: A flow as mutators see it."""

from headrace.mutators import MutableFlow  # noqa: F401
