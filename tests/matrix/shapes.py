"""Flows generated over {step body x graph shape}.

`source(shape, body)` is the text of a flow file. A shape says which steps there are and how they follow each other; a
body says what each step does meanwhile.
"""

from __future__ import annotations

import textwrap
from typing import Dict, List, NamedTuple, Tuple


class Step(NamedTuple):
    """name, the statement that ends it, decorators of the shape, and statements of the shape before the body."""

    name: str
    next: str
    join: bool = False
    decorators: Tuple[str, ...] = ()
    before: str = ""


END = Step("end", "pass")

SHAPES: Dict[str, List[Step]] = {
    "linear": [Step("start", "self.next(self.middle)"), Step("middle", "self.next(self.end)"), END],
    "branch": [
        Step("start", "self.next(self.left, self.right)"),
        Step("left", "self.next(self.both)"),
        Step("right", "self.next(self.both)"),
        Step("both", "self.next(self.end)", join=True),
        END,
    ],
    "foreach": [
        Step("start", "self.next(self.work, foreach='items')", before="self.items = ['a', 'b', 'c']"),
        Step("work", "self.next(self.gather)"),
        Step("gather", "self.next(self.end)", join=True),
        END,
    ],
    "wide": [
        Step("start", "self.next(self.work, foreach='items')", before="self.items = range(11)"),
        Step("work", "self.next(self.gather)"),
        Step("gather", "self.next(self.end)", join=True),
        END,
    ],
    "nested": [
        Step("start", "self.next(self.outer, foreach='items')", before="self.items = [1, 2]"),
        Step("outer", "self.next(self.work, foreach='letters')", before="self.letters = 'xy' * self.input"),
        Step("work", "self.next(self.inner_join)"),
        Step("inner_join", "self.next(self.outer_join)", join=True),
        Step("outer_join", "self.next(self.end)", join=True),
        END,
    ],
    "branch_in_foreach": [
        Step("start", "self.next(self.fork, foreach='items')", before="self.items = ('p', 'q')"),
        Step("fork", "self.next(self.left, self.right)"),
        Step("left", "self.next(self.both)"),
        Step("right", "self.next(self.both)"),
        Step("both", "self.next(self.gather)", join=True),
        Step("gather", "self.next(self.end)", join=True),
        END,
    ],
    "foreach_in_branch": [
        Step("start", "self.next(self.left, self.right)"),
        Step("left", "self.next(self.work, foreach='items')", before="self.items = [('k', 1), ('l', 2)]"),
        Step("work", "self.next(self.gather)"),
        Step("gather", "self.next(self.both)", join=True),
        Step("right", "self.next(self.both)"),
        Step("both", "self.next(self.end)", join=True),
        END,
    ],
    "switch": [
        Step("start", "self.next({'l': self.left, 'r': self.right}, condition='way')", before="self.way = 'r'"),
        Step("left", "self.next(self.after)"),
        Step("right", "self.next(self.after)"),
        Step("after", "self.next(self.end)"),
        END,
    ],
    "switch_in_foreach": [
        Step("start", "self.next(self.choose, foreach='items')", before="self.items = ['l', 'r', 'l']"),
        Step("choose", "self.next({'l': self.left, 'r': self.right}, condition='way')", before="self.way = self.input"),
        Step("left", "self.next(self.gather)"),
        Step("right", "self.next(self.gather)"),
        Step("gather", "self.next(self.end)", join=True),
        END,
    ],
    "recursion": [
        Step("start", "self.next(self.loop)", before="self.count = 0"),
        Step(
            "loop",
            "self.next({True: self.loop, False: self.end}, condition='again')",
            before="self.count += 1\nself.again = self.count < 3",
        ),
        END,
    ],
    "parallel": [
        Step("start", "self.next(self.node, num_parallel=2)"),
        Step("node", "self.next(self.gather)", decorators=("@parallel",)),
        Step("gather", "self.next(self.end)", join=True),
        END,
    ],
}


class Body(NamedTuple):
    """What a step does, what a join does, and what stands above each step that is neither first nor last nor a join.

    on: such steps alone have `inner` and the decorators, which would make no sense elsewhere.
    """

    every: str
    join: str
    inner: str = ""
    decorators: Tuple[str, ...] = ()


_TRAIL = """
self.trail = list(getattr(self, "trail", [])) + [current.step_name]
self.place = [self.index, self.input if self.index is not None and current.step_name != "node" else None]
print("in", current.step_name, self.index)
"""
_JOIN_TRAIL = """
self.trail = sorted((i.trail for i in inputs), key=str)
self.widths = len(list(inputs))
print("joining", current.step_name, self.widths)
"""

BODIES: Dict[str, Body] = {
    "values": Body(
        _TRAIL
        + """
self.numbers = {"one": 1, "pi": 3.14, "big": 2 ** 80, "none": None}
self.text = "\\u00e4\\u20ac " + current.step_name
self.bytes = b"\\x00\\xff" * 10
self.stack = [tuple(frame) for frame in self.foreach_stack()]
self.where = (current.flow_name, current.step_name, current.retry_count, current.username)
""",
        _JOIN_TRAIL,
    ),
    "merge": Body(
        _TRAIL + "self.same = 'same'\nself._hidden = current.step_name\n",
        "self.merge_artifacts(inputs, include=['same'])\n" + _JOIN_TRAIL,
    ),
    "conflict": Body(_TRAIL + "self.own = (current.step_name, self.index)\n", "self.merge_artifacts(inputs)\nself.trail = []\n"),
    "retry": Body(
        _TRAIL,
        _JOIN_TRAIL,
        inner="if current.retry_count == 0:\n    raise RuntimeError('first try of ' + current.step_name)\n",
        decorators=("@retry(times=1, minutes_between_retries=0)",),
    ),
    "catch": Body(
        _TRAIL,
        # The last line: those before it name the lines of each product's own files. Sorted: after a switch in a foreach
        # Metaflow's inputs come in any order.
        "self.problems = sorted(str(getattr(i, 'problem', None)).strip().splitlines()[-1] for i in inputs)\n",
        inner="self.before = 1\nraise KeyError(current.step_name)\n",
        decorators=("@catch(var='problem', print_exception=False)",),
    ),
    "fail": Body(_TRAIL, _JOIN_TRAIL, inner="raise ValueError('no ' + current.step_name)\n"),
    "exit": Body(_TRAIL, _JOIN_TRAIL, inner="import sys\nsys.exit(3)\n"),
    "forget": Body(
        "self.kept = 1\nself.gone = 2\ndel self.gone\ntry:\n    self.gone\nexcept AttributeError as error:\n    print(error)\n",
        "print(sorted(hasattr(i, 'gone') for i in inputs))\n",
    ),
    "no_next": Body(_TRAIL, _JOIN_TRAIL, inner="if current.step_name:\n    return\n"),
}


def source(shape: str, body: str) -> str:
    """The text of the flow file."""
    name = "".join(part.title() for part in (shape + "_" + body).split("_")) + "Flow"
    steps = SHAPES[shape]
    lines = ["from metaflow import FlowSpec, catch, current, parallel, retry, step", "", "", "class %s(FlowSpec):" % name]
    what = BODIES[body]
    for step in steps:
        inner = not step.join and step.name not in ("start", "end") and not (step.decorators and what.decorators)
        inner = inner and "condition" not in step.next and "foreach" not in step.next
        for decorator in step.decorators + (what.decorators if inner else ()):
            lines.append("    " + decorator)
        lines.append("    @step")
        lines.append("    def %s(self%s):" % (step.name, ", inputs" if step.join else ""))
        parts = [step.before, what.join if step.join else what.every, what.inner if inner else "", step.next]
        text = "\n".join(part.strip("\n") for part in parts if part)
        lines += textwrap.indent(text, " " * 8).splitlines() + [""]
    lines += ["", 'if __name__ == "__main__":', "    %s()" % name, ""]
    return "\n".join(lines)


def flow_of(shape: str, body: str) -> str:
    """The name of the flow."""
    return "".join(part.title() for part in (shape + "_" + body).split("_")) + "Flow"


def pairs(everything: bool) -> List[Tuple[str, str]]:
    """Shape and body of the flows to run: every shape with one body and every body with some shapes, or all of them."""
    shapes, bodies = list(SHAPES), list(BODIES)
    if everything:
        return [(shape, body) for body in bodies for shape in shapes]
    chosen = [(shape, "values") for shape in shapes]
    for number, body in enumerate(bodies[1:]):
        # Each body takes the next ones in turn, so that neighbours in the list meet different shapes.
        chosen += [(shapes[(number * 3 + offset) % len(shapes)], body) for offset in range(3)]
    return chosen
