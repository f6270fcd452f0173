"""The product page's first program, with the size of the matrix as a parameter.

    python big_sum.py run                     80000 x 80000, 48 GB: a MemoryError on most machines
    python big_sum.py run --size 4000         128 MB
"""

from metaflow import FlowSpec, Parameter, resources, step


class BigSum(FlowSpec):
    """Sums a large random matrix."""

    size = Parameter("size", help="rows and columns of the matrix", default=80000)

    @resources(memory=60000, cpu=1)
    @step
    def start(self):
        import time

        import numpy

        big_matrix = numpy.random.ranf((self.size, self.size))
        t = time.time()
        self.sum = numpy.sum(big_matrix)
        self.took = time.time() - t
        self.next(self.end)

    @step
    def end(self):
        print("The sum is %f." % self.sum)
        print("Computing it took %dms." % (self.took * 1000))


if __name__ == "__main__":
    BigSum()
