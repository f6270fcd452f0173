"""The grammar of `--with SPEC`: NAME[:ATTRIBUTE=VALUE,...].

An attribute ends at a comma that is followed by spaces or word characters and `=`; so lists and objects in JSON may hold
commas, and a text that holds `,word=` cannot be written. A value is JSON (with `\\"` for `"`), else a number, else text.
"""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Tuple

from ..errors import CommandException

_ATTRIBUTE_END = re.compile(r",(?=[\s\w]+=)")


def split_decospec(decospec: str) -> Tuple[str, str]:
    """The name and the attributes (still as text) of a spec."""
    name, _, attributes = decospec.partition(":")
    return name, attributes


def parse_value(text: str) -> Any:
    """A value as written after `=`: JSON, else int, else float, else the text without outer spaces."""
    import json

    text = text.strip()
    try:
        return json.loads(text.replace('\\"', '"'))
    except json.JSONDecodeError:
        pass
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text


def parse_attributes(text: str, decorator: str = "") -> List[Tuple[str, Any]]:
    """The attributes of a spec in the order written. CommandException if one has no `=`."""
    if not text:
        return []
    attributes = []
    for part in _ATTRIBUTE_END.split(text):
        name, equals, value = part.partition("=")
        if not equals:
            where = " of decorator '%s'" % decorator if decorator else ""
            raise CommandException(
                "The attribute '%s'%s has no value. Attributes are written as name=value, separated by commas, "
                "as in retry:times=2,minutes_between_retries=0." % (part.strip(), where)
            )
        attributes.append((name.strip(), parse_value(value)))
    return attributes


def parse_args_kwargs(text: str, decorator: str = "") -> Tuple[List[Any], Dict[str, Any]]:
    """As `parse_attributes`, with attributes named by a number as positional arguments; gaps are None."""
    args: List[Any] = []
    kwargs: Dict[str, Any] = {}
    for name, value in parse_attributes(text, decorator):
        try:
            position = int(name)
        except ValueError:
            kwargs[name] = value
            continue
        args.extend([None] * (position + 1 - len(args)))
        args[position] = value
    return args, kwargs


def make_spec(name: str, attributes: Mapping[Any, Any]) -> str:
    """The spec that `parse_attributes` reads back; attributes that are None are left out.

    Text and numbers are written as they are, the rest as JSON with `\\"` for `"`.
    """
    parts = []
    for key, value in attributes.items():
        if value is None:
            continue
        if isinstance(value, (int, float, str)):
            parts.append("%s=%s" % (key, value))
        else:
            import json

            parts.append("%s=%s" % (key, json.dumps(value).replace('"', '\\"')))
    return "%s:%s" % (name, ",".join(parts)) if parts else name
