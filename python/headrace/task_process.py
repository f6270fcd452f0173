"""What a task's process is made of: its group, its streams, its limits; then the step, forked or exec'ed."""

from __future__ import annotations

import os
import resource
import signal
import sys
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from . import forksafe
from .channel import DOOR_VARIABLE, Door
from .parent_death import die_with_parent
from .seeds import Reseeding

#: A task is the first to go when memory runs out: before the conductor and the host.
_OOM_SCORE_ADJ = 500


class TaskProcess:
    """What the host knows beforehand about all its tasks."""

    def __init__(self, flow: Any, reseeding: Reseeding, memory_limit: Optional[int]) -> None:
        """memory_limit: bytes for the soft RLIMIT_DATA; None for no limit."""
        self.flow = flow
        self.reseeding = reseeding
        self._data_limit = _data_limit(memory_limit)
        self._oom_score = _oom_score()
        self._interrupts_are_lost = signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, signal.SIG_DFL)

    def become_task(self, parent: int, out: int, err: int) -> None:
        """Right after the fork, in the child; all of it also holds for an exec'ed interpreter."""
        os.setpgid(0, 0)
        die_with_parent(parent)
        os.dup2(out, 1)
        os.dup2(err, 2)
        for fd in (out, err):
            if fd > 2:
                os.close(fd)
        if self._oom_score:
            fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(fd, self._oom_score)
            os.close(fd)
        if self._data_limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, self._data_limit)
        if self._interrupts_are_lost:
            # A run in the background of a shell without job control ignores SIGINT; the conductor passes it on.
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _data_limit(memory_limit: Optional[int]) -> Optional[Tuple[int, int]]:
    """RLIMIT_DATA for tasks; None if it stays as it is."""
    if memory_limit is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_limit if hard == resource.RLIM_INFINITY else min(memory_limit, hard)
    return (limit, hard) if soft == resource.RLIM_INFINITY or soft > limit else None


def _oom_score() -> bytes:
    """What to write to a task's oom_score_adj; empty if nothing, or if this sandbox has no such file."""
    try:
        with open("/proc/self/oom_score_adj", "r+") as file:
            return b"%d" % _OOM_SCORE_ADJ if int(file.read()) < _OOM_SCORE_ADJ else b""
    except OSError:
        return b""


def run_fresh(command: List[str], message: Dict[str, Any], door: int) -> NoReturn:
    """Becomes a new interpreter that runs the step."""
    os.set_inheritable(door, True)
    environment = dict(os.environ)
    environment.update(message.get("environment") or {})
    environment[DOOR_VARIABLE] = str(door)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execvpe(command[0], command + ["step", message["step"]], environment)


def run_in_fork(process: TaskProcess, message: Dict[str, Any], door: int) -> NoReturn:
    """Runs the step in this process and ends it."""
    from .stdio import renew_stdio
    from .task import run_attempt

    forksafe.disarm_finalizers()
    forksafe.reopen_files()
    renew_stdio()
    process.reseeding.apply()
    environment = message.get("environment")
    if environment:
        os.environ.update(environment)
    end_process(run_attempt(process.flow, Door(door)))


def end_process(code: int) -> NoReturn:
    """What the interpreter does at its end, but for taking down the objects that are shared with the host."""
    import atexit

    from .stdio import flush_stdio

    threading: Any = sys.modules.get("threading")
    try:
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException:
        # An interrupt, or SystemExit of a handler; the process ends in any case, and says why.
        import traceback

        traceback.print_exc()
    finally:
        flush_stdio()
        os._exit(code)
