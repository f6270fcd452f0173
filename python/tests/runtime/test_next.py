"""`self.next`: every run-time check, with the line of the call."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from headrace.errors import InvalidNextException
from headrace.flowspec import FlowSpec, step
from headrace.foreach import ForeachFrame, stack_metadata
from headrace.unbounded import ParallelUBF, UnboundedForeachInput


class F(FlowSpec):
    @step
    def start(self):
        self.next(self.a, self.b)

    @step
    def a(self):
        self.next(self.join)

    @step
    def b(self):
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


@pytest.fixture
def flow() -> Any:
    flow = F(use_cli=False)
    flow._current_step = "start"
    return flow


def fails(flow: Any, *dsts: Any, **kwargs: Any) -> str:
    with pytest.raises(InvalidNextException) as caught:
        line = sys._getframe().f_lineno + 1
        flow.next(*dsts, **kwargs)
    error = caught.value
    assert error.headline == "Invalid self.next() transition detected"
    assert error.line_no == line and str(error) == "line %d:: %s" % (line, error.message)
    assert flow._transition is None
    return error.message


def test_forms(flow: Any) -> None:
    flow.next(flow.a)
    assert flow._transition == (["a"], None)
    flow._transition = None
    flow.next(flow.a, flow.b)
    assert flow._transition == (["a", "b"], None)
    flow._transition = None
    flow.items = (i for i in "xyz")
    flow.next(flow.a, foreach="items")
    assert flow._transition == (["a"], "items") and flow._foreach_num_splits == 3
    assert flow._foreach_values == ["x", "y", "z"] and flow._foreach_var == "items"
    flow._transition = None
    flow.answer = 1
    flow.next({1: flow.a, 2: flow.b}, condition="answer")
    assert flow._transition == (["a"], None)
    flow._transition = None
    flow.next(flow.a, num_parallel=4)
    assert flow._transition == (["a"], "_parallel_ubf_iter") and flow._unbounded_foreach is True
    assert isinstance(flow._parallel_ubf_iter, ParallelUBF) and flow._foreach_num_splits is None


def test_a_record_of_an_item_that_is_not_utf8_can_be_written() -> None:
    frame = ForeachFrame("work", "files", 1, 0, "x\udcff\U0001f600")
    assert stack_metadata([frame])[0]["value"] == ["files=x\\udcff\U0001f600"]


def test_item_texts(flow: Any) -> None:
    flow.items = ["x" * 50, 1.5, True, None, {"k": "v" * 50}]
    flow.next(flow.a, foreach="items")
    assert flow._foreach_values[:4] == ["x" * 30, "1.5", "True", "None"] and len(flow._foreach_values[4]) == 30


def test_keywords(flow: Any) -> None:
    assert fails(flow, flow.a, foo=1) == "Step *start* passes an unknown keyword argument 'foo' to self.next()."


def test_second_call(flow: Any) -> None:
    flow.next(flow.a)
    with pytest.raises(InvalidNextException, match="Multiple self.next.. calls detected in step \\*start\\*"):
        flow.next(flow.b)


def test_switch(flow: Any) -> None:
    flow.v = "x"
    rule = "mapping condition values to step methods"
    assert rule in fails(flow, flow.a, condition="v")
    assert rule in fails(flow, {}, condition="v")
    assert "The argument to 'condition' must be a string" in fails(flow, {"x": flow.a}, condition=1)
    assert "cannot be combined" in fails(flow, {"x": flow.a}, condition="v", foreach="v")
    assert "cannot be combined" in fails(flow, {"x": flow.a}, condition="v", num_parallel=2)
    assert "requires 'condition'" in fails(flow, {"x": flow.a})
    assert "*self.nothing*" in fails(flow, {"x": flow.a}, condition="nothing")
    assert "not a function" in fails(flow, {"x": "a"}, condition="v")
    with pytest.raises(RuntimeError) as caught:
        flow.next({"y": flow.a, "z": flow.b}, condition="v")
    assert str(caught.value) == (
        "Switch condition variable 'v' has value 'x' which is not in the available cases: ['y', 'z']"
    )


def test_targets(flow: Any) -> None:
    assert "the 2. argument in self.next() is not a function" in fails(flow, flow.a, "b")
    assert "Specify at least one step function" in fails(flow)
    other = G(use_cli=False)
    assert "unknown step, *only_g*" in fails(flow, other.only_g)


class G(FlowSpec):
    @step
    def start(self):
        self.next(self.only_g)

    @step
    def only_g(self):
        self.next(self.end)

    @step
    def end(self):
        pass


def test_foreach(flow: Any) -> None:
    flow.n = 5
    flow.empty = []
    flow.ok = [1]
    assert "must be a string" in fails(flow, flow.a, foreach=[1])
    assert "exactly one target" in fails(flow, flow.a, flow.b, foreach="ok")
    assert "does not exist" in fails(flow, flow.a, foreach="nothing")
    assert "is not iterable" in fails(flow, flow.a, foreach="n")
    assert "produced zero splits" in fails(flow, flow.a, foreach="empty")
    for wrong in (0, -1, 2.0, True, [1]):
        assert "num_parallel=%r to self.next(). It takes a whole number" % (wrong,) in fails(flow, flow.a, num_parallel=wrong)
    assert "Only one destination" in fails(flow, flow.a, flow.b, num_parallel=2)


def test_unbounded_foreach_needs_one_join(flow: Any) -> None:
    flow.u = UnboundedForeachInput()
    assert "Specify a single `join` node instead of multiple" in fails(flow, flow.start, foreach="u")
    assert "join type isn't valid" in fails(flow, flow.join, foreach="u")
