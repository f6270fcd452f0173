"""Parameters of every type."""

from metaflow import FlowSpec, JSONType, Parameter, step


class ParameterFlow(FlowSpec):
    """Shows its parameters."""

    alpha = Parameter("alpha", help="a number", default=0.5)
    count = Parameter("count", type=int, required=False)
    flag = Parameter("flag", default=False)
    words = Parameter("words", default="a,b", separator=",")
    table = Parameter("table", type=JSONType, default={"k": [1, 2]})
    late = Parameter("late", default=lambda ctx: "made for " + ctx.parameter_name)
    constant = 7

    @step
    def start(self):
        print(self.alpha, self.count, self.flag, self.words, self.table, self.late, self.constant)
        try:
            self.alpha = 1
        except AttributeError as error:
            print(error)
        self.next(self.end)

    @step
    def end(self):
        print(self.alpha)


if __name__ == "__main__":
    ParameterFlow()
