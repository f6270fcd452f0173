"""`metaflow.runner.metaflow_runner`: Flows run from Python."""

from headrace.runner import ExecutingRun, ExecutingTask, Runner  # noqa: F401
from headrace.runner.executing import ExecutingProcess  # noqa: F401
