"""The example of an unbounded foreach that is not `num_parallel`: its name exists, running it is refused."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Iterator, Tuple

from ..errors import MetaflowException
from ..unbounded import UBF_CONTROL, UnboundedForeachInput
from .base import StepDecorator


class InternalTestUnboundedForeachInput(UnboundedForeachInput):
    """A sequence that counts as unbounded."""

    NAME = "InternalTestUnboundedForeachInput"

    def __init__(self, iterable: Any) -> None:
        self.iterable: Any = iterable

    def __iter__(self) -> Iterator[Any]:
        return iter(self.iterable)

    def __getitem__(self, key: Any) -> Any:
        return self if key is None else self.iterable[key]

    def __len__(self) -> int:
        return len(self.iterable)

    def __str__(self) -> str:
        return str(self.iterable)

    def __repr__(self) -> str:
        return "%s(%s)" % (self.NAME, self.iterable)


InternalTestUnboundedForeachInput.__module__ = "metaflow.plugins.test_unbounded_foreach_decorator"


class InternalTestUnboundedForeachDecorator(StepDecorator):
    """Internal to tests of Metaflow."""

    name = "unbounded_test_foreach_internal"
    defaults: Dict[str, Any] = {}

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any,
                      inputs: Any) -> None:
        if ubf_context == UBF_CONTROL:
            raise MetaflowException(
                "@%s is internal to Metaflow's own tests and cannot run on Headrace. Use `foreach`, or `num_parallel` "
                "with @parallel." % self.name
            )

    def step_task_retry_count(self) -> Tuple[None, None]:
        return None, None


InternalTestUnboundedForeachDecorator.__module__ = "metaflow.plugins.test_unbounded_foreach_decorator"
