"""Runner: runs a flow from Python, as `python flow.py run` would."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, List, Optional

from headrace.runner.attributes import async_handle_timeout, handle_timeout, temporary_fifo
from headrace.runner.executing import ExecutingProcess, ExecutingRun, ExecutingTask
from headrace.runner.options import FlowCommands
from headrace.runner.process import CommandManager, SubprocessManager


class Runner:
    """Runs the flow of a file.

        with Runner("flow.py", pylint=False) as runner:
            result = runner.run(alpha=5, tags=["abc"], max_workers=5)
            print(result.status, result.run.finished)

    flow_file: path, relative to the current directory. show_output: whether blocking calls print what the flow
    prints. profile: METAFLOW_PROFILE of the process. env: added to this process's environment. cwd: where it runs,
    default here. file_read_timeout: seconds within which it must say which run it is. Other arguments are options
    before the command, with underscores: `metadata="local"`, `pylint=False`, `decospecs=["retry"]` for `--with`.

    A flow that fails does not raise: look at `status`. Raises RuntimeError, with what it printed, if it ended before
    there was a run; ValueError for an unknown or missing argument, TypeError for one of the wrong type.
    """

    __module__ = "metaflow.runner.metaflow_runner"

    def __init__(
        self,
        flow_file: str,
        show_output: bool = True,
        profile: Optional[str] = None,
        env: Optional[Dict[str, str]] = None,
        cwd: Optional[str] = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self.flow_file = os.path.abspath(flow_file)
        self.show_output = show_output
        self.env_vars = dict(os.environ)
        self.env_vars.update(env or {})
        if profile:
            self.env_vars["METAFLOW_PROFILE"] = profile
        self.cwd = cwd or os.getcwd()
        self.file_read_timeout = file_read_timeout
        self.top_level_kwargs = kwargs
        self.api = FlowCommands(self.flow_file)
        # Told now rather than at the first run.
        self.api.top_level(kwargs)
        self.spm = SubprocessManager()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.cleanup()

    async def __aenter__(self) -> "Runner":
        return self

    async def __aexit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.cleanup()

    def cleanup(self) -> None:
        """Removes the files with the output of the processes."""
        self.spm.cleanup()

    # Blocking

    def run(self, **kwargs: Any) -> ExecutingRun:
        """Runs the flow to its end. kwargs: options of `run`, with underscores, and the flow's Parameters."""
        run: ExecutingRun = self._execute("run", kwargs)
        return run

    def resume(self, **kwargs: Any) -> ExecutingRun:
        """Resumes a run to its end. kwargs: `step_to_rerun`, `origin_run_id` and other options of `resume`."""
        run: ExecutingRun = self._execute("resume", kwargs)
        return run

    def spin(self, pathspec: str, **kwargs: Any) -> ExecutingTask:
        """Executes one step again, to its end, with the inputs of an earlier task. kwargs: options of `spin`."""
        task: ExecutingTask = self._execute("spin", dict(kwargs, pathspec=pathspec))
        return task

    # As coroutines, which end as soon as the run is known

    async def async_run(self, **kwargs: Any) -> ExecutingRun:
        """As `run`, without waiting for the end."""
        run: ExecutingRun = await self._async_execute("run", kwargs)
        return run

    async def async_resume(self, **kwargs: Any) -> ExecutingRun:
        """As `resume`, without waiting for the end."""
        run: ExecutingRun = await self._async_execute("resume", kwargs)
        return run

    async def async_spin(self, pathspec: str, **kwargs: Any) -> ExecutingTask:
        """As `spin`, without waiting for the end."""
        task: ExecutingTask = await self._async_execute("spin", dict(kwargs, pathspec=pathspec))
        return task

    def _execute(self, command: str, kwargs: Dict[str, Any]) -> Any:
        with temporary_fifo() as (path, descriptor):
            arguments = self._arguments(command, kwargs, path)
            pid = self.spm.run_command(arguments, env=self.env_vars, cwd=self.cwd, show_output=self.show_output)
            process = self.spm.commands[pid]
            content = handle_timeout(descriptor, process, self.file_read_timeout)
            process.sync_wait()
        return self._executing(command, process, content)

    async def _async_execute(self, command: str, kwargs: Dict[str, Any]) -> Any:
        with temporary_fifo() as (path, descriptor):
            arguments = self._arguments(command, kwargs, path)
            pid = await self.spm.async_run_command(arguments, env=self.env_vars, cwd=self.cwd)
            process = self.spm.commands[pid]
            content = await async_handle_timeout(descriptor, process, self.file_read_timeout)
        return self._executing(command, process, content)

    def _arguments(self, command: str, kwargs: Dict[str, Any], fifo: str) -> List[str]:
        line = self.api.command_line(self.top_level_kwargs, command, dict(kwargs, runner_attribute_file=fifo))
        return [sys.executable] + line

    def _executing(self, command: str, process: CommandManager, content: str) -> ExecutingProcess:
        from headrace.client import Run, Task

        told = json.loads(content)
        where = told.get("metadata")
        if command == "spin":
            path = "/".join(str(told[name]) for name in ("flow_name", "run_id", "step_name", "task_id"))
            return ExecutingTask(self, process, Task(path, _namespace_check=False, _current_metadata=where))
        path = "%s/%s" % (told["flow_name"], told["run_id"])
        return ExecutingRun(self, process, Run(path, _namespace_check=False, _current_metadata=where))
