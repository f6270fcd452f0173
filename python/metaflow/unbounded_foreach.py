"""`metaflow.unbounded_foreach`: A foreach whose width is not known when it starts."""

from headrace.unbounded import CONTROL_TASK_TAG, UBF_CONTROL, UBF_TASK, UnboundedForeachInput  # noqa: F401
