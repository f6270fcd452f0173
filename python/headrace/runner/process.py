"""Flows as subprocesses: started, followed through their log files, ended.

A `SubprocessManager` belongs to one Runner; each `CommandManager` of it is one process. SIGINT in this process ends
those that still run; if none does, it goes where it went before.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO, Any, AsyncIterator, Callable, Dict, List, Optional, Tuple, Union

#: After SIGTERM a run has this long for its last words and records, before SIGKILL.
TERMINATION_TIMEOUT_S = 10.0
_POLL_S = 0.05


class LogReadTimeoutError(Exception):
    """No line came within the time that was allowed for one."""


def kill_processes_and_descendants(pids: List[str], termination_timeout: float) -> None:
    """SIGTERM, then SIGKILL for those that are still there after termination_timeout seconds.

    What the processes have started ends with them: tasks die with their run's engine.
    """
    numbers = [int(pid) for pid in pids]
    _signal_all(numbers, signal.SIGTERM)
    until = time.monotonic() + termination_timeout
    while any(map(_is_alive, numbers)) and time.monotonic() < until:
        time.sleep(_POLL_S)
    _signal_all(filter(_is_alive, numbers), signal.SIGKILL)


async def async_kill_processes_and_descendants(pids: List[str], termination_timeout: float) -> None:
    """As `kill_processes_and_descendants`, without holding the event loop."""
    numbers = [int(pid) for pid in pids]
    _signal_all(numbers, signal.SIGTERM)
    until = time.monotonic() + termination_timeout
    while any(map(_is_alive, numbers)) and time.monotonic() < until:
        await asyncio.sleep(_POLL_S)
    _signal_all(filter(_is_alive, numbers), signal.SIGKILL)


def _signal_all(pids: Any, number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # It has ended by itself.


def _is_alive(pid: int) -> bool:
    """Whether a child of this process runs; it is not reaped, that is left to its owner."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def check_process_exited(command_obj: "CommandManager") -> bool:
    """Whether the process of a command has ended."""
    process = command_obj.process
    if isinstance(process, subprocess.Popen):
        return process.poll() is not None
    return process is not None and process.returncode is not None


class SubprocessManager:
    """The processes of one Runner."""

    def __init__(self) -> None:
        self.commands: Dict[int, "CommandManager"] = {}
        self._previous_handler: Any = None
        try:
            self._previous_handler = signal.signal(signal.SIGINT, self._handle_sigint)
        except ValueError:
            sys.stderr.write(
                "Warning: Unable to set signal handlers in non-main thread. Interrupt handling will be limited.\n"
            )

    def _running(self) -> List["CommandManager"]:
        return [command for command in self.commands.values() if command.process and not check_process_exited(command)]

    def _handle_sigint(self, signum: int, frame: Any) -> None:
        running = self._running()
        for command in running:
            command.terminate_soon()
        if not running and callable(self._previous_handler):
            self._previous_handler(signum, frame)

    async def __aenter__(self) -> "SubprocessManager":
        return self

    async def __aexit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.cleanup()

    def run_command(
        self,
        command: List[str],
        env: Optional[Dict[str, str]] = None,
        cwd: Optional[str] = None,
        show_output: bool = False,
    ) -> int:
        """Starts a process, without waiting for its end; its pid. See CommandManager."""
        manager = CommandManager(command, _with_packages(env), cwd)
        pid = manager.run(show_output=show_output)
        self.commands[pid] = manager
        return pid

    async def async_run_command(
        self, command: List[str], env: Optional[Dict[str, str]] = None, cwd: Optional[str] = None
    ) -> int:
        """As `run_command`, for a process that is awaited."""
        manager = CommandManager(command, _with_packages(env), cwd)
        pid = await manager.async_run()
        self.commands[pid] = manager
        return pid

    def get(self, pid: int) -> Optional["CommandManager"]:
        """The process with this pid, if it was started here."""
        return self.commands.get(pid)

    def cleanup(self) -> None:
        """Removes the log files. SIGINT goes where it went before, if nothing runs any more."""
        for command in self.commands.values():
            command.cleanup()
        if self._previous_handler is not None and not self._running():
            try:
                if signal.getsignal(signal.SIGINT) == self._handle_sigint:
                    signal.signal(signal.SIGINT, self._previous_handler)
            except ValueError:
                pass  # Not the main thread: the handler passes on what is not for it.


def _with_packages(env: Optional[Dict[str, str]]) -> Dict[str, str]:
    """The environment, such that the process finds these same packages."""
    env = dict(os.environ if env is None else env)
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    others = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path and path != here]
    env["PYTHONPATH"] = os.pathsep.join([here] + others)
    return env


class CommandManager:
    """One process. `log_files["stdout"]` and `log_files["stderr"]` are the files its output goes to.

    command: argument list. env: its whole environment, default this one's. cwd: default this one's.
    """

    def __init__(
        self, command: List[str], env: Optional[Dict[str, str]] = None, cwd: Optional[str] = None
    ) -> None:
        self.command = command
        self.env = dict(os.environ) if env is None else env
        self.cwd = cwd or os.getcwd()
        self.process: Union[None, "subprocess.Popen[str]", asyncio.subprocess.Process] = None
        self.stdout_thread: Optional[threading.Thread] = None
        self.stderr_thread: Optional[threading.Thread] = None
        self.run_called = False
        self.timeout = False
        self.log_files: Dict[str, str] = {}
        self.temp_dir = ""

    async def __aenter__(self) -> "CommandManager":
        return self

    async def __aexit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.cleanup()

    def _begin(self) -> Dict[str, str]:
        if self.run_called:
            raise RuntimeError(
                "Command '%s' has already been called. Please create another CommandManager object."
                % " ".join(self.command)
            )
        self.temp_dir = tempfile.mkdtemp(prefix="headrace-runner-")
        return {name: os.path.join(self.temp_dir, name + ".log") for name in ("stdout", "stderr")}

    def run(self, show_output: bool = False) -> int:
        """Starts the process; threads copy its output to the log files, and to stdout if show_output. Its pid."""
        files = self._begin()
        try:
            process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                bufsize=1,
            )
        except BaseException:
            shutil.rmtree(self.temp_dir, ignore_errors=True)
            raise
        self.process, self.log_files, self.run_called = process, files, True
        assert process.stdout is not None and process.stderr is not None
        self.stdout_thread = _copier(process.stdout, files["stdout"], show_output)
        self.stderr_thread = _copier(process.stderr, files["stderr"], show_output)
        return process.pid

    async def async_run(self) -> int:
        """Starts the process, which writes to the log files itself. Its pid."""
        files = self._begin()
        try:
            with open(files["stdout"], "wb") as out, open(files["stderr"], "wb") as err:
                process = await asyncio.create_subprocess_exec(
                    *self.command, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
                )
        except BaseException:
            shutil.rmtree(self.temp_dir, ignore_errors=True)
            raise
        self.process, self.log_files, self.run_called = process, files, True
        return process.pid

    def sync_wait(self) -> None:
        """Waits for the end of a process started by `run`, and of its output."""
        if not isinstance(self.process, subprocess.Popen):
            raise RuntimeError("No command run yet to wait for...")
        self.process.wait()
        for thread in (self.stdout_thread, self.stderr_thread):
            if thread is not None:
                thread.join()

    async def wait(self, timeout: Optional[float] = None, stream: Optional[str] = None) -> None:
        """Waits for the end.

        timeout: seconds; when they are over the process is ended and `timeout` is set.
        stream: `stdout` or `stderr`, printed meanwhile.
        """
        if not self.run_called:
            raise RuntimeError("No command run yet to wait for...")
        try:
            await asyncio.wait_for(self.emit_logs(stream) if stream else self._ended(), timeout)
        except asyncio.TimeoutError:
            self.timeout = True
            assert self.process is not None
            await async_kill_processes_and_descendants([str(self.process.pid)], TERMINATION_TIMEOUT_S)
            await self._ended()
            print(
                "Timeout: The process (PID %d; command: '%s') did not complete within %s seconds."
                % (self.process.pid, " ".join(self.command), timeout)
            )

    async def _ended(self) -> None:
        if isinstance(self.process, subprocess.Popen):
            await asyncio.get_running_loop().run_in_executor(None, self.sync_wait)
        elif self.process is not None:
            await self.process.wait()

    async def stream_log(
        self,
        stream: str,
        position: Optional[int] = None,
        timeout_per_line: Optional[float] = None,
        log_write_delay: float = 0.01,
    ) -> AsyncIterator[Tuple[int, str]]:
        """(position after the line, line) of `stdout` or `stderr`, as they come, to the end of the process.

        position: where to start, from an earlier call; default the beginning. timeout_per_line: seconds.
        log_write_delay: seconds between looks at the file. Raises LogReadTimeoutError.
        """
        if not self.run_called:
            raise RuntimeError("No command run yet to get the logs for...")
        if stream not in self.log_files:
            raise ValueError(
                "No log file found for '%s', valid values are: %s" % (stream, ", ".join(self.log_files))
            )
        with open(self.log_files[stream], "rb") as file:
            at = position or 0
            since = time.monotonic()
            while True:
                # Looked at before the file: what is written before the end is then in the file.
                ended = self._output_ended()
                file.seek(at)
                line = file.readline()
                if line and (ended or line.endswith(b"\n")):
                    at += len(line)
                    yield at, line.decode("utf-8", "replace").rstrip()
                    since = time.monotonic()
                elif ended:
                    return
                elif timeout_per_line is not None and time.monotonic() - since > timeout_per_line:
                    raise LogReadTimeoutError(
                        "Timeout while reading a line from the log file for the stream: %s" % stream
                    )
                else:
                    await asyncio.sleep(log_write_delay)

    def _output_ended(self) -> bool:
        threads = (self.stdout_thread, self.stderr_thread)
        return check_process_exited(self) and not any(thread and thread.is_alive() for thread in threads)

    async def emit_logs(self, stream: str = "stdout", custom_logger: Callable[..., None] = print) -> None:
        """Gives every line of a stream to custom_logger, to the end of the process."""
        async for _, line in self.stream_log(stream):
            custom_logger(line)
        await self._ended()

    def terminate_soon(self) -> None:
        """SIGTERM now; SIGKILL if that does not end it in time. Does not wait."""
        assert self.process is not None
        pid = self.process.pid
        _signal_all([pid], signal.SIGTERM)

        def kill() -> None:
            if not check_process_exited(self) and _is_alive(pid):
                _signal_all([pid], signal.SIGKILL)

        timer = threading.Timer(TERMINATION_TIMEOUT_S, kill)
        timer.daemon = True
        timer.start()

    def kill(self, termination_timeout: float = 2) -> None:
        """Ends the process: SIGTERM, then SIGKILL after termination_timeout seconds."""
        if self.process is None:
            print("No process to kill.")
            return
        kill_processes_and_descendants([str(self.process.pid)], termination_timeout)

    def cleanup(self) -> None:
        """Removes the log files."""
        if self.run_called:
            shutil.rmtree(self.temp_dir, ignore_errors=True)


def _copier(pipe: IO[str], path: str, show_output: bool) -> threading.Thread:
    """A running thread that copies a pipe's lines to a file, and to stdout."""

    def copy() -> None:
        with pipe, open(path, "w", encoding="utf-8", buffering=1) as file:
            for line in pipe:
                if show_output:
                    sys.stdout.write(line)
                file.write(line)

    open(path, "w").close()
    thread = threading.Thread(target=copy, name="output of a flow", daemon=True)
    thread.start()
    return thread
