"""A switch by value, converging without a join, and a recursion."""

from metaflow import FlowSpec, step


class SwitchingFlow(FlowSpec):
    @step
    def start(self):
        self.kind = "big"
        self.rounds = 0
        self.next({"big": self.big, "small": self.small}, condition="kind")

    @step
    def big(self):
        self.chosen = "big"
        self.next(self.loop)

    @step
    def small(self):
        self.chosen = "small"
        self.next(self.loop)

    @step
    def loop(self):
        self.rounds += 1
        self.more = "yes" if self.rounds < 3 else "no"
        print("round", self.rounds)
        self.next({"yes": self.loop, "no": self.end}, condition="more")

    @step
    def end(self):
        print(self.chosen, self.rounds)


if __name__ == "__main__":
    SwitchingFlow()
