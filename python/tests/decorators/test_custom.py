"""Custom decorators: wrappers around steps, mutators of steps and flows, their order and their names."""

from __future__ import annotations

from typing import Any, List

import pytest

from driver import Driver
from metaflow import USER_SKIP_STEP, FlowMutator, FlowSpec, Parameter, StepMutator, UserStepDecorator
from metaflow import environment, project, retry, step, user_step_decorator
from metaflow.decorators import DuplicateStepDecoratorException
from metaflow.exception import MetaflowException
from metaflow.user_decorators.mutable_step import MutableStep
from metaflow.user_decorators.user_step_decorator import UserStepDecoratorMeta

SAID: List[str] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    SAID.clear()


@user_step_decorator
def outer(step_name, flow, inputs, attributes):
    SAID.append("outer before %s %s" % (step_name, attributes))
    yield
    SAID.append("outer after")
    flow.from_outer = True


@user_step_decorator
def swallow(step_name, flow, inputs):
    try:
        yield
    except ValueError as error:
        SAID.append("swallowed %s" % error)


@user_step_decorator
def skip(step_name, flow, inputs, attributes):
    SAID.append("skip")
    yield attributes or USER_SKIP_STEP


@user_step_decorator
def replace(step_name, flow, inputs):
    def other(flow):
        flow.replaced = True
        return True

    yield other


@user_step_decorator
def twice(step_name, flow, inputs):
    yield
    yield


@user_step_decorator
def never(step_name, flow, inputs):
    return
    yield


class Inner(UserStepDecorator):
    def init(self, say="inner"):
        self.say = say

    def pre_step(self, step_name, flow, inputs=None):
        SAID.append("%s before" % self.say)

    def post_step(self, step_name, flow, exception=None):
        SAID.append("%s after" % self.say)
        return exception


def flow_with(*decorators: Any, fails: bool = False) -> Any:
    """A flow of `start` and `end`; the first decorator is nearest to `start`."""

    class Wrapped(FlowSpec):
        @step
        def start(self):
            SAID.append("step")
            if self._fails:
                raise ValueError("no")
            self.next(self.end)

        @step
        def end(self):
            pass

    Wrapped._fails = fails
    for decorator in decorators:
        decorator(Wrapped.start)
    return Wrapped


def test_the_outermost_wrapper_is_first_and_last() -> None:
    driver = Driver(flow_with(Inner(say="near"), outer(a=1)))
    assert driver.attempt("start") is None
    assert SAID == ["outer before start {'a': 1}", "near before", "step", "near after", "outer after"]
    assert driver.flow.from_outer
    assert driver.flow._transition == (["end"], None)


def test_a_wrapper_that_swallows_makes_the_step_a_success() -> None:
    driver = Driver(flow_with(swallow, fails=True))
    assert driver.attempt("start") is None
    assert SAID == ["step", "swallowed no"]
    assert driver.flow._transition == (["end"], None)


def test_an_exception_passes_through_wrappers_that_do_not_take_it() -> None:
    driver = Driver(flow_with(Inner, outer(a=1), fails=True))
    assert isinstance(driver.attempt("start"), ValueError)
    assert SAID[-1] == "inner after"


def test_a_wrapper_can_skip_the_step_and_what_it_wraps() -> None:
    driver = Driver(flow_with(Inner, skip))
    assert driver.attempt("start") is None
    assert SAID == ["skip"]
    assert driver.flow._transition == (["end"], None)


def test_a_wrapper_can_replace_the_step() -> None:
    driver = Driver(flow_with(replace))
    assert driver.attempt("start") is None
    assert driver.flow.replaced and SAID == []
    assert driver.flow._transition == (["end"], None)


@pytest.mark.parametrize("wrapper, text", [(twice, "should only yield once"), (never, "ended before its `yield`")])
def test_a_generator_must_yield_once(wrapper: Any, text: str) -> None:
    error = Driver(flow_with(wrapper)).attempt("start")
    assert isinstance(error, MetaflowException) and text in str(error)


def test_a_step_can_run_again_with_its_wrapper() -> None:
    driver = Driver(flow_with(outer(a=1)))
    assert driver.attempt("start") is None
    assert driver.attempt("start") is None
    assert SAID.count("step") == 2


@pytest.mark.parametrize(
    "function, text",
    [
        (lambda step_name, flow, inputs: None, "can only decorate generator functions"),
        (Inner, "can only decorate generator functions"),
    ],
)
def test_only_generators_become_decorators(function: Any, text: str) -> None:
    with pytest.raises(MetaflowException) as error:
        user_step_decorator(function)
    assert text in str(error.value)


def test_generators_take_three_or_four_arguments() -> None:
    with pytest.raises(MetaflowException) as error:

        @user_step_decorator
        def two(step_name, flow):
            yield

    assert "3 or 4 arguments" in str(error.value)


def test_arguments_are_checked() -> None:
    with pytest.raises(MetaflowException) as error:
        Inner(3)
    assert "does not allow arguments" in str(error.value)

    class Bare(StepMutator):
        pass

    with pytest.raises(MetaflowException) as error:
        Driver(flow_with(Bare(1)))
    assert "is used with arguments but does not implement init" in str(error.value)


def test_names_are_found_by_a_unique_ending() -> None:
    full = "%s.outer" % __name__
    assert outer.decorator_name == full
    assert UserStepDecoratorMeta.get_decorator_by_name("outer") is outer
    assert UserStepDecoratorMeta.get_decorator_by_name(full) is outer
    assert UserStepDecoratorMeta.get_decorator_name(outer) == "outer"
    assert UserStepDecoratorMeta.get_decorator_by_name("nobody") is None
    assert UserStepDecoratorMeta.get_decorator_by_name("retry").name == "retry"
    assert "outer" in UserStepDecoratorMeta.all_decorators()


def test_a_subclass_takes_the_place_of_its_base() -> None:
    class BaseDeco(UserStepDecorator):
        pass

    assert UserStepDecoratorMeta.get_decorator_by_name("BaseDeco") is BaseDeco

    class DerivedDeco(BaseDeco):
        pass

    assert UserStepDecoratorMeta.get_decorator_by_name("BaseDeco") is None
    assert UserStepDecoratorMeta.get_decorator_by_name("DerivedDeco") is DerivedDeco


# mutators


class AddEnvironment(StepMutator):
    def init(self, duplicates=MutableStep.IGNORE, how="partial"):
        self.duplicates = duplicates
        self.how = how

    def mutate(self, mutable_step):
        value = {"from": "mutator"}
        if self.how == "partial":
            self.added = mutable_step.add_decorator(environment, deco_kwargs={"vars": value}, duplicates=self.duplicates)
        elif self.how == "spec":
            self.added = mutable_step.add_decorator(
                'environment:vars={"from": "mutator"}', duplicates=self.duplicates)
        else:
            self.added = mutable_step.add_decorator("environment", deco_kwargs={"vars": value}, duplicates=self.duplicates)


@pytest.mark.parametrize("how", ["partial", "spec", "name"])
@pytest.mark.parametrize(
    "duplicates, existing, expected",
    [
        (MutableStep.IGNORE, False, ["mutator"]),
        (MutableStep.IGNORE, True, ["source"]),
        (MutableStep.OVERRIDE, True, ["mutator"]),
        (MutableStep.ERROR, False, ["mutator"]),
    ],
)
def test_a_mutator_adds_decorators(how: str, duplicates: int, existing: bool, expected: Any) -> None:
    decorators = [environment(vars={"from": "source"})] if existing else []
    driver = Driver(flow_with(*decorators, AddEnvironment(duplicates=duplicates, how=how)))
    found = [deco.attributes["vars"]["from"] for deco in driver.step("start").decorators]
    assert found == expected
    assert [deco.name for deco in driver.flow._graph["start"].decorators] == ["environment"]


def test_a_mutator_that_must_not_replace_says_so() -> None:
    with pytest.raises(DuplicateStepDecoratorException):
        Driver(flow_with(environment(vars={}), AddEnvironment(duplicates=MutableStep.ERROR)))


def test_mutators_see_and_remove_decorators() -> None:
    seen = {}

    class Look(StepMutator):
        def pre_mutate(self, mutable_step):
            seen["before"] = sorted(spec[0] for spec in mutable_step.decorator_specs)
            seen["retry"] = mutable_step.get_decorator_specs("retry")
            seen["full"] = mutable_step.has_decorator("metaflow.plugins.retry_decorator.RetryDecorator")
            assert mutable_step.remove_decorator("retry", deco_kwargs={"times": 9}) is False
            assert mutable_step.remove_decorator("retry")
            assert mutable_step.remove_decorator("outer")
            assert not mutable_step.remove_decorator("outer")
            seen["flow"] = [name for name, _ in mutable_step.flow.steps]

    driver = Driver(flow_with(retry(times=2), outer(a=1), Look))
    assert seen["before"] == ["Look", "outer", "retry"]
    assert seen["retry"][0][3] == {"times": 2, "minutes_between_retries": "2"}
    assert seen["full"] is True
    assert sorted(seen["flow"]) == ["end", "start"]
    assert driver.step("start").decorators == [] and driver.step("start").wrappers == []


def test_mutate_may_not_add_mutators() -> None:
    class Late(StepMutator):
        def mutate(self, mutable_step):
            mutable_step.add_decorator(AddEnvironment)

    with pytest.raises(MetaflowException) as error:
        Driver(flow_with(Late))
    assert "is only allowed in the `pre_mutate` method and not the `mutate` method" in str(error.value)


def test_flow_mutators_come_before_step_mutators_in_both_phases() -> None:
    class OfFlow(FlowMutator):
        def pre_mutate(self, mutable_flow):
            SAID.append("flow pre")

        def mutate(self, mutable_flow):
            SAID.append("flow")

    class OfStep(StepMutator):
        def pre_mutate(self, mutable_step):
            SAID.append("step pre")

        def mutate(self, mutable_step):
            SAID.append("step")

    flow = flow_with(OfStep)
    Driver(OfFlow()(flow))
    assert SAID == ["flow pre", "step pre", "flow", "step"]


def test_a_flow_mutator_changes_parameters_and_decorators() -> None:
    seen = {}

    class Change(FlowMutator):
        def init(self, value):
            self.value = value

        def pre_mutate(self, mutable_flow):
            seen["parameters"] = [name for name, _ in mutable_flow.parameters]
            mutable_flow.add_parameter("added", Parameter("added", default=self.value))
            assert mutable_flow.remove_parameter("gone")
            mutable_flow.add_decorator(project, deco_kwargs={"name": "changed"}, duplicates=mutable_flow.OVERRIDE)
            mutable_flow.add_decorator("schedule:hourly=true")
            mutable_flow.start.add_decorator("retry:times=1")
            with pytest.raises(MetaflowException):
                mutable_flow.add_parameter("kept", Parameter("kept", default=1))

        def mutate(self, mutable_flow):
            with pytest.raises(MetaflowException) as error:
                mutable_flow.add_parameter("late", Parameter("late", default=1))
            seen["late"] = str(error.value)

    @Change(value=4)
    @project(name="first")
    class Mutated(FlowSpec):
        gone = Parameter("gone", default=1)
        kept = Parameter("kept", default=2)

        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    driver = Driver(Mutated)
    assert sorted(seen["parameters"]) == ["gone", "kept"]
    assert sorted(name for name, _ in Mutated._get_parameters()) == ["added", "kept"]
    assert "is only allowed in the `pre_mutate` method" in seen["late"]
    assert driver.said[0].startswith("Project: *changed*")
    assert [deco.name for deco in driver.step("start").decorators] == ["retry"]
    from headrace.decorators.attach import flow_decorators

    assert sorted(deco.name for deco in flow_decorators(Mutated)) == ["project", "schedule"]


def test_a_flow_mutator_without_arguments_stands_for_its_flow() -> None:
    class Quiet(FlowMutator):
        pass

    @Quiet
    class Base(FlowSpec):
        @step
        def start(self):
            self.next(self.end)

        @step
        def end(self):
            pass

    class Derived(Base):
        pass

    assert issubclass(Derived, FlowSpec)
    Driver(Derived)
    assert Base.start.is_step
