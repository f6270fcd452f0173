"""Whether tasks may be forked from this process, and what a forked task must not share with it."""

from __future__ import annotations

import fcntl
import os
import stat
import sys
from typing import Any, Iterable, List, Optional

from .cgroups import group_folders

#: Devices that hold no state.
_HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def reason_against_forking(known_fds: Iterable[int]) -> str:
    """Why a forked task would differ from one that imports the module itself; empty if it would not.

    known_fds: descriptors that are this package's own.
    """
    from .channel import own_fds

    opened = _opened({*known_fds, *own_fds()})
    _reading[:] = [each.fd for each in opened if each.has_place]
    return _threads() or _open_files(opened) or _shared_memory()


def _threads() -> str:
    """Python threads that import left; threads of C libraries alone (OpenBLAS) do no harm."""
    if len(sys._current_frames()) <= 1:
        return ""
    # One fork for nothing: some libraries stop their threads before a fork.
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    count = len(sys._current_frames())
    if count <= 1:
        return ""
    threading: Any = sys.modules.get("threading")
    main = threading.main_thread() if threading else None
    names = [t.name for t in threading.enumerate() if t is not main] if threading else []
    return "import left %d thread%s running%s" % (
        count - 1, "" if count == 2 else "s", ": " + ", ".join(names) if names else "",
    )


class _Opened:
    """A descriptor that import opened. mode: of the file behind it."""

    def __init__(self, fd: int, mode: int, writable: bool) -> None:
        self.fd, self.mode, self.writable = fd, mode, writable

    @property
    def kind(self) -> Optional[str]:
        """What tasks would share through it; None for what they may."""
        if stat.S_ISSOCK(self.mode):
            return "a socket"
        if stat.S_ISFIFO(self.mode):
            return "a pipe"
        if stat.S_ISCHR(self.mode) or stat.S_ISBLK(self.mode):
            return None if os.readlink("/proc/self/fd/%d" % self.fd) in _HARMLESS_DEVICES else "a device"
        if stat.S_ISREG(self.mode):
            return "a writable file" if self.writable else None
        return None if stat.S_ISDIR(self.mode) else "a kernel object"

    @property
    def has_place(self) -> bool:
        """Whether each task needs a place of its own in it: see `reopen_files`."""
        return not self.writable and (stat.S_ISREG(self.mode) or stat.S_ISDIR(self.mode))


def _opened(known: "set[int]") -> List[_Opened]:
    """But for the known ones, and for those that the parent process gave this one."""
    found = []
    for fd in sorted(int(name) for name in os.listdir("/proc/self/fd")):
        if fd <= 2 or fd in known:
            continue
        try:
            mode = os.fstat(fd).st_mode
            if fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC:  # Python opens everything so; others were there before it.
                found.append(_Opened(fd, mode, fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY))
        except OSError:
            continue  # The descriptor of the listing itself, closed by now.
    return found


def _open_files(opened: List[_Opened]) -> str:
    for each in opened:
        if each.kind:
            return "import left %s open (descriptor %d%s)" % (each.kind, each.fd, _name(each.fd))
    return ""


def _name(fd: int) -> str:
    try:
        return ", " + os.readlink("/proc/self/fd/%d" % fd)
    except OSError:
        return ""


def _shared_memory() -> str:
    """Memory that tasks would have in common: a lock or an event of multiprocessing, an anonymous mmap."""
    try:
        with open("/proc/self/maps") as file:
            for line in file:
                fields = line.split(None, 5)
                if fields[1].startswith("rw") and fields[1].endswith("s"):
                    return "import left shared memory (%s)" % (fields[5].strip() if len(fields) > 5 else "without a name")
    except OSError:
        pass  # No /proc: nothing can be said.
    return ""


#: Descriptors of what import opened to read, found before the first fork.
_reading: List[int] = []


def reopen_files() -> None:
    """In a task: files and folders that import opened to read get a place of their own again, the one they had after import.

    A descriptor's place is shared by all processes that were forked with it: each would read on where another stopped.
    """
    for fd in _reading:
        try:
            place = os.lseek(fd, 0, os.SEEK_CUR)
            own = os.open("/proc/self/fd/%d" % fd, fcntl.fcntl(fd, fcntl.F_GETFL))
        except OSError:
            continue  # It cannot be opened any more, e.g. by a user that is not root now: it stays as it is.
        os.lseek(own, place, os.SEEK_SET)
        os.dup2(own, fd, inheritable=False)
        os.close(own)


def disarm_finalizers() -> None:
    """In a task: what `weakref.finalize` registered at import runs once, in the host, at the run's end."""
    weakref: Any = sys.modules.get("weakref")
    registry = getattr(getattr(weakref, "finalize", None), "_registry", None)
    if registry:
        # Kept alive: dropping them could run destructors of what they hold.
        _disarmed.append(dict(registry))
        registry.clear()


_disarmed: List[Any] = []


def run_finalizers() -> None:
    """In the host, at the run's end."""
    weakref: Any = sys.modules.get("weakref")
    if weakref is not None:
        weakref.finalize._exitfunc()


def memory_limit() -> Optional[int]:
    """Bytes of memory and swap that this machine or control group can give; None if unknown or turned off.

    As a soft RLIMIT_DATA it makes an allocation that can never succeed a MemoryError, also where the kernel
    overcommits. HEADRACE_MEMORY_LIMIT=off turns it off.
    """
    if os.environ.get("HEADRACE_MEMORY_LIMIT", "").lower() == "off":
        return None
    limit = _machine_memory()
    group = _group_memory()
    if group is not None and (limit is None or group < limit):
        limit = group
    return limit


def _machine_memory() -> Optional[int]:
    try:
        with open("/proc/meminfo") as file:
            sizes = dict(line.split(":", 1) for line in file)
        return 1024 * sum(int(sizes[name].split()[0]) for name in ("MemTotal", "SwapTotal"))
    except (OSError, KeyError, ValueError):
        return None


def _group_memory() -> Optional[int]:
    """Least `memory.max` + `memory.swap.max` on the way from this process's group to the root; None without a limit."""
    limits = [limit for folder in group_folders("memory") for limit in [_limit_of(folder)] if limit is not None]
    return min(limits, default=None)


def _limit_of(directory: str) -> Optional[int]:
    memory = _number(directory, "memory.max")
    if memory is None:
        memory = _number(directory, "memory.limit_in_bytes")
        # Version 1 says "no limit" with a number near 2^63, and has no limit of swap alone.
        return None if memory is None or memory >= 1 << 60 else memory
    swap = _number(directory, "memory.swap.max")
    if swap is None:
        # Unlimited swap: what the machine has.
        try:
            with open("/proc/meminfo") as file:
                swap = next(1024 * int(line.split()[1]) for line in file if line.startswith("SwapTotal:"))
        except (OSError, StopIteration, ValueError):
            swap = 0
    return memory + swap


def _number(directory: str, name: str) -> Optional[int]:
    try:
        with open(os.path.join(directory, name)) as file:
            text = file.read().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None
