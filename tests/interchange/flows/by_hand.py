"""Steps that are run one by one, by commands typed by hand."""

from metaflow import FlowSpec, IncludeFile, Parameter, catch, current, step


class ByHand(FlowSpec):
    alpha = Parameter("alpha", default=1)
    text = IncludeFile("text", default="included.txt")

    @step
    def start(self):
        self.items = ["a", "b", "c"]
        self.next(self.work, foreach="items")

    @catch(var="problem")
    @step
    def work(self):
        self.value = "%s%d" % (self.input, self.alpha)
        print("worked", self.value, current.retry_count, current.task_id)
        if self.value == "c13":
            raise ValueError("unlucky")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.values = [getattr(i, "value", None) for i in inputs]
        self.merge_artifacts(inputs, include=["items"])
        self.next(self.end)

    @step
    def end(self):
        print(self.values, len(self.text))


if __name__ == "__main__":
    ByHand()
