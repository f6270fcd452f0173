"""`metaflow.runner.nbrun`: Flows run from a notebook."""

from headrace.runner.notebook import NBRunner, NBRunnerInitializationError  # noqa: F401
