"""`metaflow.user_decorators.user_flow_decorator`: Flow mutators."""

from headrace.mutators import FlowMutator, FlowMutatorMeta  # noqa: F401
