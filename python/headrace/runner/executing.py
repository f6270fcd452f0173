"""What Runner gives: a flow's process together with the Run or Task it executes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, AsyncIterator, Optional, Tuple

if TYPE_CHECKING:
    from headrace.client import Run, Task
    from headrace.runner.process import CommandManager


class ExecutingProcess:
    """Base of ExecutingRun and ExecutingTask; made by Runner.

    As a context manager it cleans up the Runner at the end: use either of the two, not both.
    runner: that made it. command_obj: its CommandManager (`command`, `process`, `log_files`).
    """

    __module__ = "metaflow.runner.metaflow_runner"

    def __init__(self, runner: Any, command_obj: "CommandManager") -> None:
        self.runner = runner
        self.command_obj = command_obj

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.runner.__exit__(exc_type, exc_value, traceback)

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.runner.__exit__(exc_type, exc_value, traceback)

    async def wait(self, timeout: Optional[float] = None, stream: Optional[str] = None) -> Any:
        """Waits for the end; gives this object.

        timeout: seconds; when they are over the process is ended and `status` is `timeout`.
        stream: `stdout` or `stderr`, printed meanwhile.
        """
        await self.command_obj.wait(timeout, stream)
        return self

    @property
    def returncode(self) -> Optional[int]:
        """The process's exit code; None while it runs."""
        process = self.command_obj.process
        return process.returncode if process is not None else None

    @property
    def status(self) -> str:
        """`running`, `successful`, `failed`, or `timeout` if it was ended by `wait(timeout=...)`."""
        if self.command_obj.timeout:
            return "timeout"
        if self.returncode is None:
            return "running"
        return "successful" if self.returncode == 0 else "failed"

    def _log(self, stream: str) -> str:
        with open(self.command_obj.log_files[stream], encoding="utf-8", errors="replace") as file:
            return file.read()

    @property
    def stdout(self) -> str:
        """What the process has written to stdout so far."""
        return self._log("stdout")

    @property
    def stderr(self) -> str:
        """What the process has written to stderr so far."""
        return self._log("stderr")

    async def stream_log(self, stream: str, position: Optional[int] = None) -> AsyncIterator[Tuple[int, str]]:
        """(position, line) of `stdout` or `stderr` as they come; a position can be given to continue from there."""
        async for position, line in self.command_obj.stream_log(stream, position):
            yield position, line


class ExecutingRun(ExecutingProcess):
    """A process that executes a run. run: the Run."""

    __module__ = "metaflow.runner.metaflow_runner"

    def __init__(self, runner: Any, command_obj: "CommandManager", run_obj: "Run") -> None:
        super().__init__(runner, command_obj)
        self.run = run_obj


class ExecutingTask(ExecutingProcess):
    """A process that executes one task, for `spin`. task: the Task."""

    __module__ = "metaflow.runner.metaflow_runner"

    def __init__(self, runner: Any, command_obj: "CommandManager", task_obj: "Task") -> None:
        super().__init__(runner, command_obj)
        self.task = task_obj
