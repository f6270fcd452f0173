"""A foreach of which one child fails, unless BROKEN is 0: something to resume."""

import os

from metaflow import FlowSpec, Parameter, step


class BrokenFlow(FlowSpec):
    alpha = Parameter("alpha", default=1)

    @step
    def start(self):
        self.items = ["a", "b", "c"]
        print("start runs")
        self.next(self.work, foreach="items")

    @step
    def work(self):
        if self.input == "b" and os.environ.get("BROKEN") != "0":
            raise ValueError("b is broken")
        self.result = self.input * self.alpha
        print("work on", self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.results = [i.result for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.results)


if __name__ == "__main__":
    BrokenFlow()
