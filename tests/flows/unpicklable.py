"""An artifact that cannot be pickled."""

from metaflow import FlowSpec, step


class UnpicklableFlow(FlowSpec):
    @step
    def start(self):
        self.numbers = (n for n in range(3))
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    UnpicklableFlow()
