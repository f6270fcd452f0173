"""What decorators are shown of the run to come: environment, datastore and metadata, as small objects.

They have the attributes that hooks of `metaflow.decorators` use. Nothing here reads or writes a datastore.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Iterable, List, Optional, Set

from .. import settings
from .._version import METAFLOW_FULL_VERSION
from ..errors import CommandException
from ..gitinfo import GitQuery
from ..identity import get_username, resolve_identity_as_tuple

METADATA_TYPES = ["local", "service", "spin"]
ENVIRONMENT_TYPES = ["local", "conda", "pypi", "uv"]
DATASTORE_TYPES = ["local", "s3", "azure", "gs", "spin"]
EVENT_LOGGER_TYPES = ["nullSidecarLogger", "debugLogger"]
MONITOR_TYPES = ["nullSidecarMonitor", "debugMonitor"]


def script_path() -> str:
    """The flow's file, as an absolute path."""
    return os.path.abspath(sys.argv[0])


class Environment:
    """How the interpreters of tasks are made; here only `local`, this interpreter, really exists."""

    def __init__(self, flow: Any, kind: str = "local") -> None:
        self.TYPE = kind
        self.flow = flow
        self._git: Optional[GitQuery] = None
        self._git_info: Optional[Dict[str, Any]] = None

    def decospecs(self) -> Iterable[str]:
        """Decorators that the environment adds to every step."""
        return ()

    def pylint_config(self) -> List[str]:
        return []

    def executable(self, step_name: str, default: Optional[str] = None) -> str:
        return default or "python"

    def ask_git(self) -> None:
        """Starts asking git about the flow's directory, so that `git_info` need not wait long."""
        if self._git is None:
            self._git = GitQuery(os.path.dirname(script_path()))

    def git_info(self) -> Dict[str, Any]:
        if self._git_info is None:
            self.ask_git()
            assert self._git is not None
            self._git_info = self._git.result()
        return self._git_info

    def get_environment_info(self, include_ext_info: bool = False) -> Dict[str, Any]:
        """What the code package says about where it was made; empty values are left out."""
        info: Dict[str, Any] = {
            "platform": os.uname().sysname,
            "username": get_username(),
            "production_token": os.environ.get("METAFLOW_PRODUCTION_TOKEN"),
            "runtime": os.environ.get("METAFLOW_RUNTIME_NAME", "dev"),
            "app": os.environ.get("APP"),
            "environment_type": self.TYPE,
            "use_r": False,
            "python_version": sys.version,
            "python_version_code": "%d.%d.%d" % sys.version_info[:3],
            "metaflow_version": METAFLOW_FULL_VERSION,
            "script": os.path.basename(script_path()),
        }
        info.update(self.git_info())
        if include_ext_info:
            info["ext_info"] = [{}, {}]
        return {key: value for key, value in info.items() if value is not None and value != ""}


class Datastore:
    """Where the run's data goes. root: `datastore_root`."""

    def __init__(self, flow_name: str, kind: str, root: str) -> None:
        self.TYPE = kind
        self.flow_name = flow_name
        self.datastore_root = root


class Metadata:
    """Tags that every object of the run gets; and where metadata is kept."""

    def __init__(self, kind: str, root: str) -> None:
        self.TYPE = kind
        self.root = root
        self.sticky_tags: Set[str] = set()
        self.sticky_sys_tags: Set[str] = set(system_info_tags())

    def add_sticky_tags(self, tags: Optional[Iterable[str]] = None, sys_tags: Optional[Iterable[str]] = None) -> None:
        self.sticky_tags.update(tags or ())
        self.sticky_sys_tags.update(sys_tags or ())

    def metadata_str(self) -> str:
        """`local@DIR`: what `metadata()` of the client takes."""
        return "%s@%s" % (self.TYPE, os.path.dirname(self.root))


def system_info() -> Dict[str, str]:
    """What is known about this process: tags of the run and metadata of each attempt."""
    identity, name = resolve_identity_as_tuple()
    return {
        "runtime": os.environ.get("METAFLOW_RUNTIME_NAME", "dev"),
        "python_version": "%d.%d.%d" % sys.version_info[:3],
        identity: name,
        "metaflow_version": METAFLOW_FULL_VERSION,
    }


def system_info_tags() -> List[str]:
    return ["%s:%s" % item for item in system_info().items()]


# --- where the datastore is ------------------------------------------------------------------------------------


def local_root(echo: Any, kind: str = "local", create: bool = True) -> Optional[str]:
    """The local datastore: `.metaflow` below the configured root, else of the nearest parent directory that has one.

    create: make it in the current directory if there is none, and say so with `echo`; else None.
    """
    name = settings.DATASTORE_LOCAL_DIR if kind == "local" else settings.DATASTORE_SPIN_LOCAL_DIR
    configured = settings.DATASTORE_SYSROOT_LOCAL if kind == "local" else settings.DATASTORE_SYSROOT_SPIN
    if configured is not None:
        return os.path.join(str(configured), name)
    found: Optional[str] = settings.find_upwards(name)
    if found is None and create:
        found = os.path.realpath(os.path.join(os.getcwd(), name))
        echo("Creating %s datastore in current directory (%s)" % (kind, found))
        try:
            os.mkdir(found)
        except FileExistsError:
            # Another command has just made it.
            pass
        except OSError as e:
            raise CommandException(
                "The datastore %s cannot be created: %s. Run the flow in a directory that can be written, or set "
                "METAFLOW_DATASTORE_SYSROOT_LOCAL to one." % (found, e.strerror)
            ) from None
    return found


def find_root(kind: str, given: Optional[str], echo: Any) -> str:
    """The root of a datastore of type `kind`. given: what `--datastore-root` says. Raises CommandException."""
    if kind in ("local", "spin"):
        return os.path.abspath(given) if given is not None else str(local_root(echo, kind))
    root = given if given is not None else getattr(settings, "DATASTORE_SYSROOT_%s" % kind.upper())
    if root is None:
        raise CommandException(
            "Could not find the location of the datastore -- did you correctly set the METAFLOW_DATASTORE_SYSROOT_%s "
            "environment variable?" % kind.upper()
        )
    return str(root).rstrip("/")


def runs_root(datastore: Datastore, echo: Any) -> str:
    """Where `run` notes its latest run, `FLOW/latest_run`: a local directory, with data elsewhere too."""
    if datastore.TYPE in ("local", "spin"):
        return datastore.datastore_root
    return str(local_root(echo))
