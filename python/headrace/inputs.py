"""What a join gets as its second argument."""

from __future__ import annotations

from typing import Any, Iterable, Iterator, List


class Inputs:
    """The tasks that a join joins, in split order.

    `inputs[0].x`, `for i in inputs`, and `inputs.a.x` for the branch whose last step was `a` (of several, the last).
    There is no length, as in Metaflow: use `len(list(inputs))`.
    """

    def __init__(self, flows: Iterable[Any]) -> None:
        self.flows: List[Any] = list(flows)
        for flow in self.flows:
            setattr(self, flow._current_step, flow)

    def __getitem__(self, idx: Any) -> Any:
        return self.flows[idx]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.flows)


class TaskInputs(Inputs):
    """Inputs that know their steps without loading anything.

    steps: the step of each flow.
    """

    def __init__(self, flows: Iterable[Any], steps: Iterable[str]) -> None:
        self.flows = list(flows)
        for flow, step in zip(self.flows, steps):
            setattr(self, step, flow)


Inputs.__module__ = "metaflow.datastore.inputs"
# Error texts of Python name the class: `'Inputs' object has no attribute 'x'`.
TaskInputs.__name__ = TaskInputs.__qualname__ = "Inputs"
