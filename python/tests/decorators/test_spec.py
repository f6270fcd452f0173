"""The grammar of `--with`. The expected values were read from Metaflow 2.19.38."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.decorators.retry import RetryDecorator
from headrace.decorators.spec import make_spec, parse_attributes, split_decospec
from headrace.errors import CommandException, InvalidDecoratorAttribute


@pytest.mark.parametrize(
    "text, expected",
    [
        ("cpu=4,image=ubuntu:latest", {"cpu": 4, "image": "ubuntu:latest"}),
        (" t = 5", {"t": 5}),
        ("c=true,d=null,e=007,f=1e3,g=abc", {"c": True, "d": None, "e": 7, "f": 1000.0, "g": "abc"}),
        ('l=[1,2],m={"x":1,"y":2}', {"l": [1, 2], "m": {"x": 1, "y": 2}}),
        ('m={\\"x\\":1}', {"m": {"x": 1}}),
        ('g="q,x=1"', {"g": '"q', "x": '1"'}),
        ("node_selector=a=b,c=d", {"node_selector": "a=b", "c": "d"}),
        ("z=1,,y=2", {"z": "1,", "y": 2}),
        ("empty=", {"empty": ""}),
        ("a=1,b=2,a=3", {"a": 3, "b": 2}),
        ("", {}),
    ],
)
def test_attributes(text: str, expected: Any) -> None:
    found = dict(parse_attributes(text))
    assert found == expected
    assert {key: type(value) for key, value in found.items()} == {key: type(value) for key, value in expected.items()}


def test_name_ends_at_the_first_colon() -> None:
    assert split_decospec("kubernetes:image=a:b") == ("kubernetes", "image=a:b")
    assert split_decospec("retry") == ("retry", "")


def test_attribute_without_value_names_it() -> None:
    with pytest.raises(CommandException) as error:
        RetryDecorator.parse_decorator_spec("times")
    assert "'times' of decorator 'retry' has no value" in str(error.value)


def test_unknown_attribute_lists_the_known_ones() -> None:
    with pytest.raises(InvalidDecoratorAttribute) as error:
        RetryDecorator.parse_decorator_spec("time=3")
    assert "'retry' does not support the attribute 'time'" in str(error.value)
    assert "times, minutes_between_retries" in str(error.value)


VALUES = st.recursive(
    st.none() | st.integers(-10**6, 10**6) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["cpu", "image", "labels", "x_1"]), VALUES))
def test_a_spec_reads_back_what_was_written(attributes: Any) -> None:
    name, text = split_decospec(make_spec("deco", attributes))
    assert name == "deco"
    assert dict(parse_attributes(text)) == {key: value for key, value in attributes.items() if value is not None}


def test_decorators_write_their_spec() -> None:
    from headrace.decorators.environment import EnvironmentDecorator

    deco = EnvironmentDecorator(attributes={"vars": {"A": "1"}})
    assert deco.make_decorator_spec() == 'environment:vars={\\"A\\": \\"1\\"}'
    again = EnvironmentDecorator.parse_decorator_spec(deco.make_decorator_spec().split(":", 1)[1])
    assert again.attributes == deco.attributes
    assert RetryDecorator(attributes={"times": 1}).make_decorator_spec() == "retry:times=1,minutes_between_retries=2"
