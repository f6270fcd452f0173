"""`metaflow.plugins.frameworks.pytorch`: `@pytorch_parallel`."""

from headrace.decorators.pytorch_parallel import PytorchParallelDecorator, setup_torch_distributed  # noqa: F401
