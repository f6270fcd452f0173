"""Bodies of flows, each of which breaks one rule of the graph. Key: what is wrong."""

from __future__ import annotations

from typing import Dict


def _flow(*steps: str) -> str:
    """Each step: `name(args)? -> statement` in the short form `name: statement` or `name*: statement` for a join."""
    text = ["from metaflow import FlowSpec, step, parallel, retry", "", "class TheFlow(FlowSpec):"]
    for spec in steps:
        head, _, body = spec.partition(":")
        mark = "@step"
        if "!" in head:
            head, _, annotation = head.partition("!")
            mark = "@step(%s)" % annotation
        if head.startswith("@"):
            deco, _, head = head.partition(" ")
            text.append("    " + deco)
        args = "self"
        if head.endswith("*"):
            head, args = head[:-1], "self, inputs"
        if "(" in head:
            head, _, args = head[:-1].partition("(")
        text += ["    " + mark, "    def %s(%s):" % (head, args)]
        text += ["        " + line for line in (body.strip() or "pass").split(";")]
    return "\n".join(text) + "\n\nif __name__ == '__main__':\n    TheFlow()\n"


INVALID: Dict[str, str] = {
    "reserved name": _flow("start: self.next(self.input)", "input: self.next(self.end)", "end:"),
    "no start": _flow("begin: self.next(self.end)", "end:"),
    "no end": _flow("start: self.next(self.stop)", "stop: self.next(self.start)"),
    "two annotated starts": _flow("a!start=True: self.next(self.end)", "b!start=True: self.next(self.end)", "end:"),
    "two annotated ends": _flow("start: self.next(self.a, self.b)", "a!end=True:", "b!end=True:"),
    "ambiguous start": _flow("start: self.next(self.end)", "a!start=True: self.next(self.start)", "end:"),
    "ambiguous end": _flow("start: self.next(self.end)", "end: self.next(self.z)", "z!end=True:"),
    "start has callers": _flow("start: self.next(self.a)", "a: self.next(self.start)", "end:"),
    "end has next": _flow("start: self.next(self.end)", "end: self.next(self.start)"),
    "end is a join": _flow("start: self.next(self.a, self.b)", "a: self.next(self.end)", "b: self.next(self.end)", "end*:"),
    "capital in name": _flow("start: self.next(self.Work)", "Work: self.next(self.end)", "end:"),
    "leading underscore": _flow("start: self.next(self._w)", "_w: self.next(self.end)", "end:"),
    "no self": _flow("start(): self.next(self.end)", "end:"),
    "three arguments": _flow("start(self, a, b): self.next(self.end)", "end:"),
    "join that splits": _flow(
        "start: self.next(self.a, self.b)", "a: self.next(self.j)", "b: self.next(self.j)",
        "j*: self.next(self.c, self.d)", "c: self.next(self.k)", "d: self.next(self.k)", "k*: self.next(self.end)", "end:",
    ),
    "no transition": _flow("start: self.x = 1", "end:"),
    "transition not last": _flow("start: self.next(self.end);self.x = 1", "end:"),
    "transition in a condition": _flow("start: if True:;    self.next(self.end)", "end:"),
    "keyword of no form": _flow("start: self.next(self.end, when='x')", "end:"),
    "starred targets": _flow("start: self.next(*[self.end])", "end:"),
    "no target": _flow("start: self.next()", "end:"),
    "foreach to two": _flow("start: self.next(self.a, self.b, foreach='x')", "a: self.next(self.end)", "b: self.next(self.end)", "end:"),
    "switch with a variable key": _flow("start: self.next({k: self.a, 'y': self.b}, condition='c')", "a: self.next(self.end)", "b: self.next(self.end)", "end:"),
    "switch without condition text": _flow("start: self.next({'x': self.a, 'y': self.b}, condition=c)", "a: self.next(self.end)", "b: self.next(self.end)", "end:"),
    "switch with one case": _flow("start: self.next({'x': self.a}, condition='c')", "a: self.next(self.end)", "end:"),
    "unknown target": _flow("start: self.next(self.nowhere)", "end:"),
    "loop of three": _flow("start: self.next(self.a)", "a: self.next(self.b)", "b: self.next(self.c)", "c: self.next(self.a)", "end:"),
    "loop of one": _flow("start: self.next(self.a)", "a: self.next(self.a)", "end:"),
    "orphan": _flow("start: self.next(self.end)", "lost: self.next(self.end)", "end:"),
    "end inside a split": _flow("start: self.next(self.a, self.b)", "a: self.next(self.end)", "b: self.next(self.end)", "end:"),
    "end inside a foreach": _flow("start: self.next(self.a, foreach='x')", "a: self.next(self.end)", "end:"),
    "join without one branch": _flow(
        "start: self.next(self.a, self.b, self.c)", "a: self.next(self.j)", "b: self.next(self.j)", "c: self.next(self.k)",
        "j*: self.next(self.k)", "k*: self.next(self.end)", "end:",
    ),
    "join without split": _flow("start: self.next(self.j)", "j*: self.next(self.end)", "end:"),
    "join of unrelated splits": _flow(
        "start: self.next(self.a, self.b)",
        "a: self.next(self.a1, self.a2)", "b: self.next(self.b1, self.b2)",
        "a1: self.next(self.j)", "a2: self.next(self.k)", "b1: self.next(self.j)", "b2: self.next(self.k)",
        "j*: self.next(self.l)", "k*: self.next(self.l)", "l*: self.next(self.end)", "end:",
    ),
    "num_parallel without parallel": _flow("start: self.next(self.a, num_parallel=2)", "a: self.next(self.j)", "j*: self.next(self.end)", "end:"),
    "parallel without join": _flow(
        "start: self.next(self.a, num_parallel=2)", "@parallel a: self.next(self.b)", "b: self.next(self.j)", "j*: self.next(self.end)", "end:"
    ),
    "parallel by foreach": _flow("start: self.next(self.a, foreach='x')", "@parallel a: self.next(self.j)", "j*: self.next(self.end)", "end:"),
    "switch to a join": _flow(
        "start: self.next(self.a, self.b)", "a: self.next({'x': self.j, 'y': self.c}, condition='k')", "c: self.next(self.j)",
        "b: self.next(self.j)", "j*: self.next(self.end)", "end:",
    ),
}

#: Flows for which the original crashes instead of saying its message: (flow, what the message must hold).
CRASHES: Dict[str, "tuple[str, str]"] = {
    "foreach to a join": (
        _flow("start: self.next(self.j, foreach='x')", "j*: self.next(self.end)", "end:"),
        "Step *start* is a foreach split that has no children",
    ),
    "branch that is the join": (
        _flow("start: self.next(self.a, self.j)", "a: self.next(self.j)", "j*: self.next(self.end)", "end:"),
        "an incorrect number of steps",
    ),
}

VALID: Dict[str, str] = {
    "linear": _flow("start: self.next(self.a)", "a: self.next(self.end)", "end:"),
    "single step": _flow("only: pass"),
    "annotated": _flow("first!start=True: self.next(self.last)", "last!end=True: pass"),
    "split in a foreach": _flow(
        "start: self.next(self.f, foreach='x')", "f: self.next(self.a, self.b)", "a: self.next(self.j)", "b: self.next(self.j)",
        "j*: self.next(self.k)", "k*: self.next(self.end)", "end:",
    ),
    "nested foreach": _flow(
        "start: self.next(self.f, foreach='x')", "f: self.next(self.g, foreach='y')", "g: self.next(self.j)",
        "j*: self.next(self.k)", "k*: self.next(self.end)", "end:",
    ),
    "switch": _flow(
        "start: self.next({'x': self.a, 2: self.b}, condition='k')", "a: self.next(self.c)", "b: self.next(self.c)",
        "c: self.next(self.end)", "end:",
    ),
    "recursion": _flow(
        "start: self.next(self.a)", "a: self.next({'again': self.a, 'stop': self.end}, condition='k')", "end:"
    ),
    "switch with config keys": _flow(
        "start: self.next({self.cfg.x: self.a, self.cfg.y: self.b}, condition='k')", "a: self.next(self.end)",
        "b: self.next(self.end)", "end:",
    ),
    "switch inside a split": _flow(
        "start: self.next(self.a, self.b)", "a: self.next({'x': self.c, 'y': self.d}, condition='k')", "c: self.next(self.e)",
        "d: self.next(self.e)", "e: self.next(self.j)", "b: self.next(self.j)", "j*: self.next(self.end)", "end:",
    ),
    "parallel": _flow("start: self.next(self.a, num_parallel=2)", "@parallel a: self.next(self.j)", "j*: self.next(self.end)", "end:"),
    "splits in a row": _flow(
        "start: self.next(self.a, self.b)", "a: self.next(self.j)", "b: self.next(self.j)", "j*: self.next(self.m)",
        "m: self.next(self.c, self.d)", "c: self.next(self.k)", "d: self.next(self.k)", "k*: self.next(self.end)", "end:",
    ),
    "diamond of steps met twice": _flow(
        "start: self.next({'x': self.a, 'y': self.b}, condition='k')", "a: self.next(self.b)", "b: self.next(self.c)",
        "c: self.next(self.end)", "end:",
    ),
}
