"""A foreach in a foreach with a branch inside, three joins."""

from metaflow import FlowSpec, step


class NestedFlow(FlowSpec):
    @step
    def start(self):
        self.outer = ["x", "y"]
        self.next(self.middle, foreach="outer")

    @step
    def middle(self):
        self.name_of_outer = self.input
        self.inner = [1, 2]
        self.next(self.work, foreach="inner")

    @step
    def work(self):
        self.made = "%s%d" % (self.name_of_outer, self.input)
        print(self.foreach_stack())
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = self.made + "L"
        self.next(self.sides)

    @step
    def right(self):
        self.side = self.made + "R"
        self.next(self.sides)

    @step
    def sides(self, inputs):
        self.both = sorted(i.side for i in inputs)
        print(self.index, self.input)
        self.next(self.inner_join)

    @step
    def inner_join(self, inputs):
        self.row = [i.both for i in inputs]
        print(self.index, self.input, self.foreach_stack())
        self.next(self.outer_join)

    @step
    def outer_join(self, inputs):
        self.table = [i.row for i in inputs]
        self.next(self.end)

    @step
    def end(self):
        print(self.table)


if __name__ == "__main__":
    NestedFlow()
