"""A foreach over strings, its index and input, and a join in split order."""

from metaflow import FlowSpec, step


class ForeachFlow(FlowSpec):
    @step
    def start(self):
        self.items = ["a", "b", "c"]
        self.next(self.work, foreach="items")

    @step
    def work(self):
        self.seen = (self.index, self.input, self.foreach_stack())
        print("working on", self.input, self)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.all = [i.seen for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.all)


if __name__ == "__main__":
    ForeachFlow()
