"""One large array, saved by `start` and loaded by `end`; prints what bench/local.py needs to time both.

`saving TIME` is printed by `start` as its last act, `loaded SECONDS` by `end`, `peak MB` by both when the process ends.
"""

import atexit
import resource
import time

from metaflow import FlowSpec, Parameter, step


def say_peak():
    print("peak %d" % (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000), flush=True)


class BigArtifactFlow(FlowSpec):
    mb = Parameter("mb", help="size of the array, in 10^6 bytes", default=1000)
    content = Parameter("content", help="random (incompressible) or steps (compresses well)", default="random")

    @step
    def start(self):
        import numpy

        atexit.register(say_peak)
        count = self.mb * 1000000 // 8
        if self.content == "random":
            self.array = numpy.random.default_rng(1).random(count)
        else:
            self.array = numpy.arange(count, dtype="int64") // 4096
        print("saving %.3f" % time.time(), flush=True)
        self.next(self.end)

    @step
    def end(self):
        import numpy  # noqa: F401  (its import is not the artifact's cost)

        atexit.register(say_peak)
        began = time.time()
        array = self.array
        print("loaded %.3f" % (time.time() - began), flush=True)
        assert len(array) == self.mb * 1000000 // 8
        print("sum %d %r %r" % (len(array), float(array[-1]), float(array.sum())))


if __name__ == "__main__":
    BigArtifactFlow()
