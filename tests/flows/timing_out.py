"""@timeout ends a step that sleeps, and @catch keeps the run going."""

import time

from metaflow import FlowSpec, catch, step, timeout


class TimingOutFlow(FlowSpec):
    @catch(var="late", print_exception=False)
    @timeout(seconds=1)
    @step
    def start(self):
        time.sleep(30)
        self.next(self.end)

    @step
    def end(self):
        print(type(self.late).__name__)


if __name__ == "__main__":
    TimingOutFlow()
