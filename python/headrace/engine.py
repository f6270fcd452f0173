"""The engine's executable: where it is, whether it fits, and the store process that serves this process tree."""

from __future__ import annotations

import _socket
import os
from _thread import allocate_lock
from typing import Any, Dict, List, NoReturn, Optional

from ._version import WIRE_VERSION
from .channel import Door
from .errors import EngineMissing

#: Names another executable than the packaged one.
ENGINE_VARIABLE = "HEADRACE_ENGINE"


def engine_path() -> str:
    """Path of the executable: $HEADRACE_ENGINE, else the one in this package.

    Raises EngineMissing, also for another program and for an engine of another wire version.
    """
    chosen = os.environ.get(ENGINE_VARIABLE)
    path = chosen or os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bin", "headrace")
    if os.access(path, os.X_OK) and os.path.isfile(path):
        _check_note(path)
        return path
    raise EngineMissing(
        "missing" if not os.path.exists(path) else "denied",
        "the Headrace engine cannot be started",
        where=path,
        why="$%s names it" % ENGINE_VARIABLE if chosen else "it should be part of the installed package",
        next="point $%s to the executable `headrace`, or unset it" % ENGINE_VARIABLE
        if chosen
        else "install headrace with pip, or build the engine and set $%s to it" % ENGINE_VARIABLE,
    )


#: Before the wire version in the engine's note (engine/cli/main.cc), which is in the first page of the file.
_NOTE = b"Headrace\0\0\0\0"


def _check_note(path: str) -> None:
    """Becoming another program would end this one as if nothing were wrong. What is no ELF file (a script around it) passes."""
    try:
        with open(path, "rb") as file:
            page = file.read(4096)
    except PermissionError:  # A program may be for running only.
        return
    if not page.startswith(b"\x7fELF"):
        return
    place = page.find(_NOTE)
    if place >= 0:
        start = place + len(_NOTE)
        check_wire(int.from_bytes(page[start:start + 4], "little"), path)
        return
    raise EngineMissing(
        "misuse", "the Headrace engine cannot be started", where=path, why="it is another program",
        next="point $%s to the executable `headrace`, or unset it" % ENGINE_VARIABLE,
    )


def become_engine(path: str, arguments: List[str]) -> NoReturn:
    """Replaces this process by the engine, with the settings that it needs. Raises EngineMissing."""
    try:
        os.execve(path, [path] + arguments, engine_environment())
    except OSError as error:
        raise _not_started(path, error) from error


def _not_started(path: str, error: OSError) -> EngineMissing:
    return EngineMissing(
        "failed", "the Headrace engine cannot be started", where=path, why=str(error),
        next="check that it is an executable for this machine",
    )


#: Settings that the engine needs, and finds in its environment only.
_ENGINE_SETTINGS = ("S3_ENDPOINT_URL", "S3_VERIFY_CERTIFICATE", "S3_SERVER_SIDE_ENCRYPTION")


def engine_environment(client_params: bool = True) -> Dict[str, str]:
    """The environment for the engine: this process's, and what the configuration says of S3.

    client_params: METAFLOW_DATATOOLS_CLIENT_PARAMS too.
    """
    from . import settings

    environment = dict(os.environ)
    for name in _ENGINE_SETTINGS:
        value = getattr(settings, name)
        if value is not None:
            environment.setdefault("METAFLOW_" + name, str(value))
    if client_params and settings.from_conf("DATATOOLS_CLIENT_PARAMS", {}):
        from .s3.options import configured

        environment = with_changes(environment, configured(strict=False))
    return environment


def with_changes(environment: Dict[str, str], changes: Dict[str, str]) -> Dict[str, str]:
    """changes: an empty text takes a variable away."""
    kept = {name: value for name, value in environment.items() if name not in changes}
    return {**kept, **{name: value for name, value in changes.items() if value}}


def check_wire(version: object, path: Optional[str] = None) -> None:
    """Raises EngineMissing when the engine that said `version` is of another wire version than this SDK."""
    if version != WIRE_VERSION:
        raise EngineMissing(
            "misuse",
            "engine and SDK do not fit together",
            where=path or "",
            why="the engine speaks version %s of the wire, this SDK version %d" % (version, WIRE_VERSION),
            next="install both from one headrace wheel; unset $%s if it is set" % ENGINE_VARIABLE,
        )


class StoreDoor:
    """Starts `headrace store` when it is first needed, or anew when it has ended.

    environment: of that process; by default this one's, as it is by then.
    """

    def __init__(self, environment: Optional[Dict[str, str]] = None) -> None:
        self._environment = environment
        self._lock = allocate_lock()
        self._door: Optional[Door] = None
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        self._lock = allocate_lock()

    def get(self) -> Door:
        with self._lock:
            if self._door is not None and _is_closed(self._door):
                self._door.close()
                self._door = None
            if self._door is None:
                self._door = _spawn_store(self._environment or engine_environment())
            return self._door


def _is_closed(door: Door) -> bool:
    import select

    poll = select.poll()
    poll.register(door.fileno(), 0)
    return any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(0))


def _spawn_store(environment: Dict[str, str]) -> Door:
    """The door of a new `headrace store`; it ends when all copies of the door are closed."""
    mine, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        start_engine(["store", "--door-fd", "3"], environment, theirs.fileno())
    except BaseException:
        mine.close()
        raise
    finally:
        theirs.close()
    return Door(mine.detach())


def start_engine(arguments: List[str], environment: Dict[str, str], door: Optional[int], stdin: Optional[int] = None) -> int:
    """Starts the engine beside this process; its pid. Raises EngineMissing.

    door: becomes its descriptor 3, if there is one. stdin: a descriptor; default: /dev/null. stdout is /dev/null.
    """
    path = engine_path()
    files: List[Any] = []
    if stdin is not None:
        files.append((os.POSIX_SPAWN_DUP2, stdin, 0))
    if door is not None:
        files.append((os.POSIX_SPAWN_DUP2, door, 3))
    if stdin is None:
        files.append((os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0))
    files.append((os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0))
    try:
        # A group of its own: Ctrl-C is for the script, and an engine with a door ends with it.
        return os.posix_spawn(path, [path] + arguments, environment, file_actions=files, setpgroup=0)
    except OSError as error:
        raise _not_started(path, error) from error
