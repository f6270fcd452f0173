"""What tests of faults let Headrace do in S3: a flow with artifacts of several sizes, and scripts that move objects.

    place = new_place()             # the fixture: a prefix of its own in the bucket of the server
    ran = place.run(proxy.url)      # the flow, through the proxy
    place.read(ran.run_id)          # by the Client, from the server itself: all that its tasks stored has to be right
    place.script(code, proxy.url)   # any script; what it printed

Bytes come from names (`noise`), so that each process knows what has to be there.
"""

from __future__ import annotations

import uuid
from typing import Callable, Dict

from products import Product, Ran

TIMEOUT_S = 600

#: Imported by all scripts too.
FLOW = '''
import os
import random

from metaflow import FlowSpec, step

WIDTH = 4
SIZES = {"small": 100, "middle": 500_000, "large": 5_000_000}


def noise(name, size):
    return random.Random(name).randbytes(size)


def made(task):
    return {name: noise("%s of %s" % (name, task), size) for name, size in SIZES.items()}


class FaultsFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(WIDTH))
        self.next(self.work, foreach="items")

    @step
    def work(self):
        for name, value in made(self.input).items():
            setattr(self, name, value)
        print("made by", self.input)
        self.next(self.join)

    @step
    def join(self, inputs):
        for number, task in enumerate(inputs):
            for name, value in made(number).items():
                assert getattr(task, name) == value, "%s of %d" % (name, number)
        self.huge = noise("huge", int(os.environ.get("HUGE", 0)))
        print("joined", number + 1)
        self.next(self.end)

    @step
    def end(self):
        assert self.huge == noise("huge", len(self.huge))
        print("ended")


if __name__ == "__main__":
    FaultsFlow()
'''

READ = """
from faults_flow import WIDTH, made, noise
from metaflow import Run, namespace

namespace(None)
run = Run("FaultsFlow/RUN")
assert run.successful and run.finished
tasks = sorted(run["work"], key=lambda task: task.index)
assert [task.index for task in tasks] == list(range(WIDTH)), tasks
for task in tasks:
    for name, value in made(task.index).items():
        assert task[name].data == value, "%s of %d" % (name, task.index)
    assert task.stdout == "made by %d\\n" % task.index, task.stdout
assert run["join"].task.stdout == "joined %d\\n" % WIDTH and run["end"].task.stdout == "ended\\n"
huge = run.data.huge
assert huge == noise("huge", len(huge))
print("right")
"""


class Place:
    """A prefix of its own in the bucket of the server, and a folder with the flow."""

    def __init__(self, headrace: Product, s3: Dict[str, str], **more: str) -> None:
        """more: variables of the environment of all that is started here."""
        self.root = "%s/faults/%s" % (s3["METAFLOW_DATASTORE_SYSROOT_S3"].rstrip("/"), uuid.uuid4().hex)
        self._server = s3["METAFLOW_S3_ENDPOINT_URL"]
        self._headrace = headrace
        self._env = {**s3, "AWS_EC2_METADATA_DISABLED": "true", "METAFLOW_DATASTORE_SYSROOT_S3": self.root, "ROOT": self.root, **more}
        self.add("faults_flow.py", FLOW)

    def add(self, name: str, text: str) -> None:
        """Lays a file into the folder where all is started."""
        (self._headrace.folder / name).write_text(text)

    def __call__(self, url: str, *words: str, **more: str) -> Ran:
        """`python WORDS` with the service at `url`, or the server itself ("")."""
        env = {**self._env, "METAFLOW_S3_ENDPOINT_URL": url or self._server, **more}
        return self._headrace(*words, env=env, timeout_s=TIMEOUT_S)

    def run(self, url: str) -> Ran:
        return self(url, "faults_flow.py", "--no-pylint", "--datastore", "s3", "run")

    def script(self, code: str, url: str = "", **more: str) -> str:
        """What it printed, when all went well."""
        ran = self(url, "-c", code, **more)
        assert ran.code == 0, ran.stdout + ran.stderr
        return ran.stdout

    def read(self, run_id: str) -> None:
        """Fails unless the Client, before the server itself, finds the run successful, and all that its tasks stored and printed."""
        assert self.script(READ.replace("RUN", run_id)) == "right\n"


#: The fixture `new_place`.
NewPlace = Callable[..., Place]
