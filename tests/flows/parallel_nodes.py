"""num_parallel: three nodes of one step."""

from metaflow import FlowSpec, current, parallel, step


class ParallelNodesFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.train, num_parallel=3)

    @parallel
    @step
    def train(self):
        self.node = current.parallel.node_index
        self.of = current.parallel.num_nodes
        self.next(self.join)

    @step
    def join(self, inputs):
        self.nodes = sorted((i.node, i.of) for i in inputs)
        self.next(self.end)

    @step
    def end(self):
        print(self.nodes)


if __name__ == "__main__":
    ParallelNodesFlow()
