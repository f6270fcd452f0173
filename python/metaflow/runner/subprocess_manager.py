"""`metaflow.runner.subprocess_manager`: Processes of flows run from Python."""

from headrace.runner.process import (  # noqa: F401
    CommandManager,
    LogReadTimeoutError,
    SubprocessManager,
    kill_processes_and_descendants,
)
