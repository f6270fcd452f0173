"""Two static branches and a join that merges."""

from metaflow import FlowSpec, step


class BranchFlow(FlowSpec):
    @step
    def start(self):
        self.common = [1, 2]
        self.next(self.left, self.right)

    @step
    def left(self):
        self.side = "left"
        self.only_left = 1
        print("on the left")
        self.next(self.join)

    @step
    def right(self):
        self.side = "right"
        print("on the right")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.sides = sorted(i.side for i in inputs)
        self.named = inputs.left.side + inputs.right.side
        self.merge_artifacts(inputs, exclude=["side"])
        self.next(self.end)

    @step
    def end(self):
        print(self.sides, self.named, self.common, self.only_left)


if __name__ == "__main__":
    BranchFlow()
