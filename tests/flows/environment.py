"""Variables that exist before Python starts."""

import os

from metaflow import FlowSpec, environment, step

AT_IMPORT = os.environ.get("COLOUR")


class EnvironmentFlow(FlowSpec):
    @environment(vars={"COLOUR": "green", "NUMBER": 5})
    @step
    def start(self):
        print(AT_IMPORT, os.environ["COLOUR"], os.environ["NUMBER"])
        self.next(self.end)

    @step
    def end(self):
        print(AT_IMPORT, os.environ.get("COLOUR"))


if __name__ == "__main__":
    EnvironmentFlow()
