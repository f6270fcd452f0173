"""`@pytorch_parallel`: `@parallel` with the variables that torch.distributed reads."""

from __future__ import annotations

import os
from typing import Any, Dict

from .parallel import ParallelDecorator, parallel_of_environment


class PytorchParallelDecorator(ParallelDecorator):
    """Sets the variables of torch.distributed in each task. master_port: of node 0, else one made from the run id."""

    name = "pytorch_parallel"
    defaults: Dict[str, Any] = {"master_port": None}

    def setup_distributed_env(self, flow: Any) -> None:
        setup_torch_distributed(self.attributes["master_port"])


PytorchParallelDecorator.__module__ = "metaflow.plugins.frameworks.pytorch"


def setup_torch_distributed(master_port: Any = None) -> None:
    """Sets MASTER_ADDR, MASTER_PORT, NODE_RANK, WORLD_SIZE and NUM_NODES from `current.parallel`."""
    from ..current import current

    if not master_port:
        # Runs of one moment must not meet at one port.
        run_id = str(current.run_id)
        master_port = 51000 + int(run_id) % 10000 if run_id.isdigit() else 51001
    parallel = parallel_of_environment()
    os.environ.update(
        {
            "MASTER_PORT": str(master_port),
            "MASTER_ADDR": parallel.main_ip,
            "NODE_RANK": str(parallel.node_index),
            "WORLD_SIZE": str(parallel.num_nodes),
            "NUM_NODES": str(parallel.num_nodes),
            # NCCL needs GPUs that see each other, which no launcher promises.
            "PL_TORCH_DISTRIBUTED_BACKEND": "gloo",
        }
    )
