"""The task host: a process with the user's module imported, from which tasks are forked (wire.md, section 3)."""

from __future__ import annotations

import _socket
import gc
import json
import os
import select
import signal
import struct
import sys
import warnings
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple

from . import forksafe
from ._version import WIRE_VERSION
from .stdio import flush_stdio

if TYPE_CHECKING:
    from .task_process import TaskProcess

_DATAGRAM_BYTES_MAX = 64 << 10
#: How often children are looked at where the kernel has no pidfd.
_REAP_INTERVAL_MS = 20

#: Modules that a task needs: loaded before the fork, so that no task imports them.
_PRELOADED = (
    "traceback", "pickle", "resource", "atexit",
    "headrace.task", "headrace.artifacts", "headrace.memory", "headrace.transition", "headrace.merge",
    "headrace.user_decorators", "headrace.parameters", "headrace.user_configs", "headrace.cli.echo",
    "headrace.system_context", "headrace.settings", "headrace.settings_keys",
)

#: Set in the environment, shows on stderr why tasks need a fresh interpreter.
DEBUG_VARIABLE = "HEADRACE_DEBUG_HOST"


def fork_host(flow: Any, step_command: List[str], known_fds: "Tuple[int, ...]" = ()) -> int:
    """Forks the task host; returns this side of the host link, which survives exec.

    flow: the object whose steps are run. step_command: arguments that run `step` in a fresh interpreter, up to and
    without the word `step`. known_fds: descriptors of the caller that import did not leave (the flow spec's).
    Call it from the main thread: tasks die with the thread that forked them.
    """
    mine, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    reason = forksafe.reason_against_forking([*known_fds, mine.fileno(), theirs.fileno()])
    flush_stdio()
    allow_fork()
    # Ctrl-C is for the conductor, which passes it on to the groups of the tasks; it must not meet a host that has no
    # group of its own yet.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            _forget_interrupt()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            mine.close()
            for fd in known_fds:
                os.close(fd)
            status = Host(flow, step_command, theirs, reason).serve()
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            flush_stdio()
            os._exit(status)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    theirs.close()
    fd = mine.detach()
    os.set_inheritable(fd, True)
    return fd


def _forget_interrupt() -> None:
    """Drops a blocked SIGINT that has come: to ignore a signal is to drop it."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGINT, handler)


def allow_fork() -> None:
    """Silences Python 3.12's warning about threads: those of C libraries are harmless, Python's were looked for."""
    warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)


class Host:
    """Forks, watches and reports tasks until the link ends."""

    def __init__(self, flow: Any, step_command: List[str], link: _socket.socket, reason: str) -> None:
        """reason: why tasks cannot be forked; empty if they can."""
        self._flow = flow
        self._command = step_command
        self._link = link
        self._reason = reason
        #: Running tasks: pid -> (the engine's number for it, pidfd or -1).
        self._tasks: Dict[int, Tuple[int, int]] = {}
        self._pid_of_fd: Dict[int, int] = {}
        self._poll = select.poll()
        self._process: Optional["TaskProcess"] = None

    def serve(self) -> int:
        """Until the link ends or `finish`. Returns the host's exit code."""
        self._prepare()
        self._poll.register(self._link.fileno(), select.POLLIN)
        self._send({"op": "ready", "wire": WIRE_VERSION, "pid": os.getpid(), "fork_safe": not self._reason,
                    "reason": self._reason})
        while True:
            timeout = _REAP_INTERVAL_MS if len(self._pid_of_fd) < len(self._tasks) else None
            for fd, _ in self._poll.poll(timeout):
                if fd != self._link.fileno():
                    continue
                message, fds = self._receive()
                if message is None:
                    self._kill_tasks()
                    return 1
                if message["op"] == "start":
                    self._start(message, fds)
                elif message["op"] == "finish":
                    self._finish(message)
                    return 0
            self._reap()

    def _prepare(self) -> None:
        from importlib import import_module

        from .parent_death import signal_on_parent_death
        from .seeds import Reseeding
        from .task_process import TaskProcess

        # A dead conductor shows as the end of the link, also to a host that was stopped with it.
        signal_on_parent_death(signal.SIGCONT)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        if null > 2:
            os.close(null)
        sys.stdin = open(0, closefd=False)
        # In tasks a line is shown when it is printed, as Metaflow's are; set here, since here it costs nothing.
        os.environ["PYTHONUNBUFFERED"] = "x"
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None and not stream.closed:
                stream.reconfigure(line_buffering=True)
        if not self._reason:
            for name in _PRELOADED:
                import_module(name)
            from .task_state import protect_class

            protect_class(self._flow.__class__)
        allow_fork()
        self._process = TaskProcess(self._flow, Reseeding(), forksafe.memory_limit())
        if self._reason:
            debug("tasks start in fresh interpreters: %s" % self._reason)
        # The collector must not touch the pages that tasks share with the host.
        gc.freeze()

    # The link

    def _send(self, message: Dict[str, Any]) -> None:
        try:
            self._link.send(json.dumps(message).encode("utf-8"))
        except OSError:
            # The conductor is gone: the next receive sees the end of the link and ends the tasks.
            pass

    def _receive(self) -> Tuple[Optional[Dict[str, Any]], List[int]]:
        size = struct.calcsize("i")
        try:
            data, ancillary, _, _ = self._link.recvmsg(_DATAGRAM_BYTES_MAX, _socket.CMSG_SPACE(8 * size))
        except ConnectionError:
            data, ancillary = b"", []
        fds: List[int] = []
        for level, kind, content in ancillary:
            if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
                fds += struct.unpack("%di" % (len(content) // size), content[: len(content) - len(content) % size])
        for fd in fds:
            os.set_inheritable(fd, False)
        return (json.loads(data) if data else None), fds

    # Tasks

    def _start(self, message: Dict[str, Any], fds: List[int]) -> None:
        number = message["id"]
        reason = self._reason or ("the step asks for it" if message.get("fresh") else "")
        if reason:
            debug("fresh interpreter for %s: %s" % (message.get("label", message["step"]), reason))
        try:
            if len(fds) != 3:
                raise ValueError("`start` came with %d descriptors instead of 3" % len(fds))
            pid = self._fork(message, fds, bool(reason))
        except (OSError, ValueError, MemoryError) as error:
            self._send({"op": "start_failed", "id": number, "what": "cannot start a process for step `%s`"
                        % message["step"], "why": str(error)})
            return
        finally:
            for fd in fds:
                os.close(fd)
        self._watch(number, pid)
        self._send({"op": "started", "id": number, "pid": pid, "how": "fresh" if reason else "fork",
                    "reason": reason})

    def _fork(self, message: Dict[str, Any], fds: List[int], fresh: bool) -> int:
        from .task_process import run_fresh, run_in_fork

        assert self._process is not None
        flush_stdio()
        parent = os.getpid()
        pid = os.fork()
        if pid:
            try:
                # Also done by the child: whoever is first, a signal to the group reaches it.
                os.setpgid(pid, pid)
            except OSError:
                pass  # It did so itself, and has exec'ed or ended.
            return pid
        try:
            self._link.close()
            for _, pidfd in self._tasks.values():
                if pidfd >= 0:
                    os.close(pidfd)
            door, out, err = fds
            self._process.become_task(parent, out, err)
            if fresh:
                run_fresh(self._command, message, door)
            else:
                run_in_fork(self._process, message, door)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            # Only a failure gets here.
            flush_stdio()
            os._exit(1)

    def _watch(self, number: int, pid: int) -> None:
        pidfd = -1
        try:
            pidfd = os.pidfd_open(pid)
        except (AttributeError, OSError):
            pass  # An old kernel or a sandbox: looked at in intervals.
        self._tasks[pid] = (number, pidfd)
        if pidfd >= 0:
            self._pid_of_fd[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)

    def _reap(self) -> None:
        while self._tasks:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            number, pidfd = self._tasks.pop(pid, (None, -1))
            if number is None:
                # A child that the user's module has left behind.
                continue
            if pidfd >= 0:
                self._poll.unregister(pidfd)
                del self._pid_of_fd[pidfd]
                os.close(pidfd)
            self._send({"op": "exited", "id": number, "pid": pid, "status": status,
                        "user_ms": int(usage.ru_utime * 1000), "system_ms": int(usage.ru_stime * 1000),
                        "peak_kb": usage.ru_maxrss})

    def _kill_tasks(self) -> None:
        for pid in self._tasks:
            try:
                os.killpg(pid, signal.SIGKILL)
            except OSError:
                pass  # It has ended already.

    # The end

    def _finish(self, message: Dict[str, Any]) -> None:
        try:
            if self._flow._flow_decorators.get("exit_hook"):
                from .decorators.exit_hook import run_exit_hooks

                run_exit_hooks(self._flow.__class__, message["run"], bool(message["successful"]))
        finally:
            forksafe.run_finalizers()


def debug(text: str) -> None:
    """A line on stderr, if HEADRACE_DEBUG_HOST is set."""
    if os.environ.get(DEBUG_VARIABLE):
        sys.stderr.write("headrace host: %s\n" % text)
        sys.stderr.flush()
