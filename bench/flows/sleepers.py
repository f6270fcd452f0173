"""A foreach of tasks that only wait: what it costs to watch over them."""

import time

from metaflow import FlowSpec, Parameter, step


class SleepersFlow(FlowSpec):
    width = Parameter("width", default=100)

    @step
    def start(self):
        self.items = list(range(self.width))
        self.next(self.sleep, foreach="items")

    @step
    def sleep(self):
        print("asleep", flush=True)
        time.sleep(3600)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    SleepersFlow()
