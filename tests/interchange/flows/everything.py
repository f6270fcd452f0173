"""Values whose stored form both products must understand: included file, client object, named tuples, classes."""

import collections

from metaflow import FlowSpec, IncludeFile, Parameter, current, step


class EverythingFlow(FlowSpec):
    text = IncludeFile("text", default="included.txt")
    data = IncludeFile("data", default="included.txt", is_text=False)
    alpha = Parameter("alpha", default=3)
    constant = ("a", 1)

    @step
    def start(self):
        from metaflow import Run, Task

        self.me = Task(current.pathspec)
        self.run = Run("%s/%s" % (current.flow_name, current.run_id))
        self.counts = collections.Counter("abracadabra")
        self.large = bytes(range(256)) * 8192
        self.nothing = None
        self.unicode = "\u00e4\u20ac\U0001f600"
        print("to stdout \u00e4")
        import sys

        print("to stderr", file=sys.stderr)
        self.next(self.end)

    @step
    def end(self):
        self.length = len(self.large)


if __name__ == "__main__":
    EverythingFlow()
