"""A foreach whose width is not known when it starts: `num_parallel`, and what extensions derive from it."""

from __future__ import annotations

from typing import Optional

CONTROL_TASK_TAG = "control_task"
#: `ubf_context` of the task that starts the others.
UBF_CONTROL = "ubf_control"
#: `ubf_context` of the tasks it starts.
UBF_TASK = "ubf_task"


class UnboundedForeachInput:
    """Base of the values that `foreach=` takes as unbounded."""


class ParallelUBF(UnboundedForeachInput):
    """The value behind `self.next(self.x, num_parallel=n)`.

    num_parallel: how many tasks form the step.
    """

    def __init__(self, num_parallel: int) -> None:
        self.num_parallel = num_parallel

    def __getitem__(self, item: Optional[int]) -> int:
        # The control task has no index, but it does the work of node 0.
        return item or 0


UnboundedForeachInput.__module__ = "metaflow.unbounded_foreach"
ParallelUBF.__module__ = "metaflow.flowspec"
