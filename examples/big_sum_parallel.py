"""The product page's second program: the same sum over several cores, by rows.

    python big_sum_parallel.py run --size 8000
"""

from metaflow import FlowSpec, Parameter, parallel_map, resources, step


class BigSum(FlowSpec):
    """Sums a large random matrix, each core some of its rows."""

    size = Parameter("size", help="rows and columns of the matrix", default=80000)
    parts = Parameter("parts", help="pieces that the rows are cut into", default=8)

    @resources(memory=60000, cpu=8)
    @step
    def start(self):
        import time

        import numpy

        big_matrix = numpy.random.ranf((self.size, self.size))
        rows = max(1, self.size // self.parts)
        t = time.time()
        parts = parallel_map(lambda i: big_matrix[i : i + rows].sum(), range(0, self.size, rows))
        self.sum = sum(parts)
        self.took = time.time() - t
        self.next(self.end)

    @step
    def end(self):
        print("The sum is %f." % self.sum)
        print("Computing it took %dms." % (self.took * 1000))


if __name__ == "__main__":
    BigSum()
