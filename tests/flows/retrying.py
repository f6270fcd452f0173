"""A task that fails twice and succeeds the third time."""

from metaflow import FlowSpec, current, retry, step


class RetryingFlow(FlowSpec):
    @retry(times=2)
    @step
    def start(self):
        self.attempts = current.retry_count
        print("attempt", current.retry_count)
        if current.retry_count < 2:
            raise ValueError("not yet")
        self.next(self.end)

    @step
    def end(self):
        print(self.attempts)


if __name__ == "__main__":
    RetryingFlow()
