"""NBRunner: runs the flow that the current cell of a notebook defines."""

from __future__ import annotations

import ast
import os
import tempfile
from typing import Any, Dict, Optional

from headrace.runner.executing import ExecutingRun
from headrace.runner.runner import Runner


class NBRunnerInitializationError(Exception):
    """NBRunner was made outside of a notebook."""

    __module__ = "metaflow.runner.nbrun"


def get_current_cell(ipython: Any) -> Optional[str]:
    """The text of the cell that is executed now; None outside of IPython."""
    return ipython.history_manager.input_hist_raw[-1] if ipython else None


def format_flowfile(cell: str) -> str:
    """A flow file of a cell's text: up to the end of the flow's class, with the lines that make it a program.

    Raises ModuleNotFoundError if no class in it derives from FlowSpec.
    """
    flows = [
        node
        for node in ast.parse(cell).body
        if isinstance(node, ast.ClassDef)
        and any(getattr(base, "id", getattr(base, "attr", None)) == "FlowSpec" for base in node.bases)
    ]
    if not flows:
        raise ModuleNotFoundError("The cell doesn't contain any class that inherits from 'FlowSpec'")
    lines = cell.splitlines()[: flows[0].end_lineno]
    return "\n".join(lines + ["if __name__ == '__main__':", "    %s()" % flows[0].name])


def write_flow_file(flow: Any, base_dir: Optional[str]) -> str:
    """Writes the current cell as a flow file below base_dir (default: the current directory); its path."""
    try:
        from IPython import get_ipython  # type: ignore[import-not-found, unused-ignore]
    except ModuleNotFoundError:
        raise NBRunnerInitializationError(
            "'NBRunner' requires an interactive Python environment (such as Jupyter)"
        ) from None
    cell = get_current_cell(get_ipython())
    if not cell:
        raise ValueError("Couldn't find a cell.")
    text = format_flowfile(cell)
    with tempfile.NamedTemporaryFile(
        "w", prefix=flow.__name__, suffix=".py", dir=base_dir or os.getcwd(), encoding="utf-8", delete=False
    ) as file:
        file.write(text)
    return file.name


class NBRunner:
    """Runs a flow from the cell that defines it; to be used on the cell's last line.

        run = NBRunner(HelloFlow).nbrun()

    flow: the class. base_dir: where the flow's file is written and runs, default here. Else as Runner.
    Raises NBRunnerInitializationError outside of a notebook.
    """

    __module__ = "metaflow.runner.nbrun"

    def __init__(
        self,
        flow: Any,
        show_output: bool = True,
        profile: Optional[str] = None,
        env: Optional[Dict[str, str]] = None,
        base_dir: Optional[str] = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self.flow = flow
        self.show_output = show_output
        self.base_dir = base_dir if base_dir is not None else os.getcwd()
        self.file_read_timeout = file_read_timeout
        self.flow_file = write_flow_file(flow, self.base_dir)
        # Jupyter sets it for its kernels; a kernel's child must not take itself for one.
        self.env_vars = dict(env or {}, JPY_PARENT_PID="")
        try:
            self.runner = Runner(
                self.flow_file,
                show_output=show_output,
                profile=profile,
                env=self.env_vars,
                cwd=self.base_dir,
                file_read_timeout=file_read_timeout,
                **kwargs,
            )
        except BaseException:
            os.remove(self.flow_file)
            raise

    def nbrun(self, **kwargs: Any) -> Any:
        """Runs the flow to its end and cleans up; the Run. kwargs: as of Runner.run."""
        try:
            return self.runner.run(**kwargs).run
        finally:
            self.cleanup()

    def nbresume(self, **kwargs: Any) -> Any:
        """Resumes a run to its end and cleans up; the Run. kwargs: as of Runner.resume."""
        try:
            return self.runner.resume(**kwargs).run
        finally:
            self.cleanup()

    def run(self, **kwargs: Any) -> ExecutingRun:
        """As Runner.run."""
        return self.runner.run(**kwargs)

    def resume(self, **kwargs: Any) -> ExecutingRun:
        """As Runner.resume."""
        return self.runner.resume(**kwargs)

    async def async_run(self, **kwargs: Any) -> ExecutingRun:
        """As Runner.async_run."""
        return await self.runner.async_run(**kwargs)

    async def async_resume(self, **kwargs: Any) -> ExecutingRun:
        """As Runner.async_resume."""
        return await self.runner.async_resume(**kwargs)

    def cleanup(self) -> None:
        """Removes the flow's file and those with the output; call it after `run`, `resume` and the coroutines."""
        if os.path.exists(self.flow_file):
            os.remove(self.flow_file)
        self.runner.cleanup()
