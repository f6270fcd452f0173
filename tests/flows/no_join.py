"""A split that is never joined: refused before anything runs."""

from metaflow import FlowSpec, step


class NoJoinFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.left, self.right)

    @step
    def left(self):
        self.next(self.end)

    @step
    def right(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    NoJoinFlow()
