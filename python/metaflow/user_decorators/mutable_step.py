"""`metaflow.user_decorators.mutable_step`: A step as mutators see it."""

from headrace.mutators import MutableStep  # noqa: F401
