"""A task that leaves by sys.exit."""

import sys

from metaflow import FlowSpec, step


class ExitingFlow(FlowSpec):
    @step
    def start(self):
        print("leaving")
        sys.exit(3)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    ExitingFlow()
