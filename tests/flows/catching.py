"""@catch after @retry: the run goes on with the exception in an artifact."""

from metaflow import FlowSpec, catch, retry, step


class CatchingFlow(FlowSpec):
    @catch(var="problem")
    @retry(times=1)
    @step
    def start(self):
        self.before = 1
        raise KeyError("gone")
        self.next(self.end)

    @catch(var="problem")
    @step
    def end(self):
        print("caught", self.problem is None, self.before)


if __name__ == "__main__":
    CatchingFlow()
