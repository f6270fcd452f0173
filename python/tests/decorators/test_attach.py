"""Putting decorators on steps and flows: in the source, by `--with`; what is refused, and how it is said."""

from __future__ import annotations

from typing import Any, List

import pytest

from headrace.decorators.attach import attach_decorators, extract_step_decorator_from_decospec
from metaflow import FlowSpec, card, catch, environment, project, resources, retry, schedule, step, timeout
from metaflow.decorators import (
    BadFlowDecoratorException,
    BadStepDecoratorException,
    DuplicateFlowDecoratorException,
    DuplicateStepDecoratorException,
    UnknownStepDecoratorException,
)
from metaflow.exception import InvalidDecoratorAttribute


def new_flow() -> Any:
    class Attached(FlowSpec):
        @retry(times=1)
        @resources
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    return Attached(use_cli=False)


def names(flow: Any, step_name: str) -> List[str]:
    return [deco.name for deco in getattr(flow, step_name).decorators]


def test_decorators_stand_bottom_up() -> None:
    flow = new_flow()
    assert names(flow, "start") == ["resources", "retry"]
    assert all(deco.statically_defined for deco in flow.start.decorators)
    assert flow.start.decorators[1].attributes == {"times": 1, "minutes_between_retries": "2"}


def test_with_adds_to_steps_that_have_none_of_that_name() -> None:
    flow = new_flow()
    attach_decorators(flow, ["retry:times=4", "catch", "retry:times=2"])
    assert names(flow, "start") == ["resources", "retry", "catch"]
    assert names(flow, "end") == ["retry", "catch"]
    assert flow.start.decorators[1].attributes["times"] == 1
    assert flow.end.decorators[0].attributes["times"] == 4
    assert not flow.end.decorators[0].statically_defined
    assert flow.start.decorators[2] is not flow.end.decorators[1]


def test_with_may_add_several_cards() -> None:
    flow = new_flow()
    attach_decorators(flow, ["card:id=a", "card:id=b"])
    assert [deco.attributes["id"] for deco in flow.end.decorators] == ["a", "b"]


def test_with_of_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownStepDecoratorException) as error:
        extract_step_decorator_from_decospec("retri:times=1")
    text = str(error.value)
    assert text.startswith("Unknown step decorator *retri*. The following decorators are supported: *")
    assert "retry" in text and "kubernetes" in text and "_internal" not in text


def test_with_imports_a_dotted_name(tmp_path: Any, monkeypatch: Any) -> None:
    (tmp_path / "hr_deco_mod.py").write_text(
        "from metaflow import user_step_decorator\n"
        "@user_step_decorator\n"
        "def loud(step_name, flow, inputs, attributes):\n    yield\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    flow = new_flow()
    attach_decorators(flow, ["hr_deco_mod.loud:a=1"])
    assert [wrapper.get_args_kwargs() for wrapper in flow.end.wrappers] == [([], {"a": 1})]
    assert [wrapper.make_decorator_spec() for wrapper in flow.end.wrappers] == ["hr_deco_mod.loud:a=1"]
    with pytest.raises(UnknownStepDecoratorException):
        extract_step_decorator_from_decospec("hr_deco_mod.quiet")


def test_a_step_decorator_needs_a_step_below_it() -> None:
    with pytest.raises(BadStepDecoratorException) as error:

        @step
        @retry
        def work(self: Any) -> None:
            pass

    assert error.value.headline == "Syntax error"
    assert "You tried to apply decorator 'retry' on 'work'" in str(error.value)


def test_the_same_decorator_twice_is_refused() -> None:
    with pytest.raises(DuplicateStepDecoratorException) as error:

        @retry
        @retry(times=1)
        @step
        def work(self: Any) -> None:
            pass

    assert "Step 'work' already has a decorator 'retry'" in str(error.value)

    @card(id="a")
    @card(id="b")
    @step
    def shown(self: Any) -> None:
        pass

    assert len(shown.decorators) == 2


def test_an_unknown_attribute_is_refused_when_the_file_is_imported() -> None:
    with pytest.raises(InvalidDecoratorAttribute) as error:

        @timeout(second=1)
        @step
        def work(self: Any) -> None:
            pass

    assert error.value.headline == "Unknown decorator attribute"


def test_flow_decorators_need_a_flow() -> None:
    with pytest.raises(BadFlowDecoratorException):

        @schedule
        class NoFlow:
            pass


def test_flow_decorators_are_inherited_and_not_repeated() -> None:
    @project(name="p")
    class Base(FlowSpec):
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    class Derived(Base):
        pass

    from headrace.decorators.attach import flow_decorators

    assert [deco.name for deco in flow_decorators(Derived)] == ["project"]
    with pytest.raises(DuplicateFlowDecoratorException):
        project(name="q")(Derived)


def test_every_decorator_can_be_attached_by_its_name() -> None:
    from headrace.decorators.registry import FLOW_DECORATORS, STEP_DECORATORS, all_flow_decorators, all_step_decorators

    assert {cls.name for cls in all_step_decorators()} == set(STEP_DECORATORS)
    assert {cls.name for cls in all_flow_decorators()} == set(FLOW_DECORATORS)
    for name in STEP_DECORATORS:
        deco, has_attributes = extract_step_decorator_from_decospec(name)
        assert deco.name == name and not has_attributes


def test_decorators_of_several_kinds_stack() -> None:
    @catch(var="x")
    @environment(vars={"A": 1})
    @step
    def work(self: Any) -> None:
        pass

    assert [deco.name for deco in work.decorators] == ["environment", "catch"]
