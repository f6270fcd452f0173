"""Two steps: the smallest flow.

    python hello.py run
"""

from metaflow import FlowSpec, step


class HelloFlow(FlowSpec):
    """Says hello, and keeps what it said."""

    @step
    def start(self):
        self.greeting = "hello"
        print(self.greeting)
        self.next(self.end)

    @step
    def end(self):
        print("%s again" % self.greeting)


if __name__ == "__main__":
    HelloFlow()
