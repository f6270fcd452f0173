"""Flows that several tests use. `one_step(body)` is a flow whose step `start` does `body` in a pod, and `end` nothing."""

from __future__ import annotations

import textwrap

IMPORTS = "import os, signal, sys, time\nfrom metaflow import FlowSpec, catch, current, environment, kubernetes, resources, retry, step, timeout\n"


def one_step(body: str, *decorators: str, pods: str = "@kubernetes", end: str = "pass") -> str:
    above = "".join("    %s\n" % decorator for decorator in (*decorators, *([pods] if pods else [])))
    return (IMPORTS + "\n\nclass OneStep(FlowSpec):\n" + above + "    @step\n    def start(self):\n"
            + textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 8)
            + "\n        self.next(self.end)\n\n    @step\n    def end(self):\n"
            + textwrap.indent(textwrap.dedent(end).strip("\n"), " " * 8)
            + '\n\n\nif __name__ == "__main__":\n    OneStep()\n')


def foreach(width: int, body: str, *decorators: str, pods: str = "@kubernetes") -> str:
    """`work` does `body` once a split; `join` collects what it left in `self.result`."""
    above = "".join("    %s\n" % decorator for decorator in (*decorators, *([pods] if pods else [])))
    return (IMPORTS + """

class Foreach(FlowSpec):
    @step
    def start(self):
        self.items = list(range(%d))
        self.next(self.work, foreach="items")

%s    @step
    def work(self):
        self.result = None
%s
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [i.result for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print("results", self.results)


if __name__ == "__main__":
    Foreach()
""" % (width, above, textwrap.indent(textwrap.dedent(body).strip("\n"), " " * 8)))
