"""The product page's first program on Kubernetes: `start` runs in a pod, `end` where you are.

    python big_sum_kubernetes.py run                        one pod of 2 GB; the matrix has 128 MB
    python big_sum_kubernetes.py run --with kubernetes      `end` in a pod as well
    ./demo --kubernetes                                     the same, on a cluster that is built and started for it

Needs a cluster (KUBECONFIG) and S3: docs/guide/kubernetes.md. The pod's image must have numpy.
"""

from metaflow import FlowSpec, Parameter, kubernetes, step


class BigSumOnKubernetes(FlowSpec):
    """Sums a large random matrix in a pod."""

    size = Parameter("size", help="rows and columns of the matrix", default=4000)

    @kubernetes(memory=2000, cpu=1, disk=1000)
    @step
    def start(self):
        import os
        import time

        import numpy

        print("In the pod", os.environ["METAFLOW_KUBERNETES_POD_NAME"])
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
    BigSumOnKubernetes()
