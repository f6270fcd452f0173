"""Names of Metaflow that flows and extensions import, and that do nothing here or are refused at use."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional

from .errors import MetaflowException

#: The package in which extensions of Metaflow live; Headrace loads none.
EXT_PKG = "metaflow_extensions"


def extension_info(packages: Any = None) -> Dict[str, Any]:
    """What `_graph_info` says of extensions."""
    return {"installed": {}}


class FileCacheException(MetaflowException):
    headline = "File cache error"


FileCacheException.__module__ = "metaflow.client.filecache"


class SecretsProvider:
    """Base of secrets backends of extensions."""

    TYPE: Optional[str] = None

    def get_secret_as_dict(self, secret_id: str, options: Any = None, role: Any = None) -> Dict[str, str]:
        """The variables of a secret."""
        raise NotImplementedError


SecretsProvider.__module__ = "metaflow.plugins.secrets"


class ArgoEvent:
    """An event for flows on Argo Workflows. Raises MetaflowException when it is made."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MetaflowException(
            "ArgoEvent is not available: this version of Headrace does not support Argo Workflows. Run the flow with "
            "`run`, or publish the event with a client of your event bus."
        )


ArgoEvent.__module__ = "metaflow.plugins.argo.argo_events"


class _NullSidecar:
    """A sidecar that drops what it is sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def start(self) -> None:
        pass

    def terminate(self) -> None:
        pass

    def send(self, msg: Any) -> None:
        pass

    @classmethod
    def get_worker(cls) -> None:
        return None


class NullEventLogger(_NullSidecar):
    """A logger of events that drops them."""

    TYPE = "nullSidecarLogger"

    def log(self, payload: Any) -> None:
        pass


NullEventLogger.__module__ = "metaflow.event_logger"


class _Nothing:
    """A context manager that does nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        return None


class NullMonitor(_NullSidecar):
    """A monitor that measures nothing."""

    TYPE = "nullSidecarMonitor"

    def count(self, name: str) -> _Nothing:
        return _Nothing()

    def measure(self, name: str) -> _Nothing:
        return _Nothing()

    def gauge(self, gauge: Any) -> None:
        pass


NullMonitor.__module__ = "metaflow.monitor"


class _SystemLogger:
    """The process's logger of events."""

    def init_system_logger(self, flow_name: str, logger: Any) -> None:
        pass

    def update_context(self, context: Dict[str, Any]) -> None:
        pass

    def log_event(self, level: str, module: str, name: str, payload: Any = None) -> None:
        pass


class _SystemMonitor:
    """The process's monitor."""

    def init_system_monitor(self, flow_name: str, monitor: Any) -> None:
        pass

    def update_context(self, context: Dict[str, Any]) -> None:
        pass

    def measure(self, name: str) -> _Nothing:
        return _Nothing()

    def count(self, name: str) -> _Nothing:
        return _Nothing()

    def gauge(self, gauge: Any) -> None:
        pass


_system_logger = _SystemLogger()
_system_monitor = _SystemMonitor()


def init_tracing() -> None:
    """Tracing is never on."""


def post_fork() -> _Nothing:
    """For a child process that may trace."""
    return _Nothing()


def tracing_cli(name: str) -> Callable[[Any], Any]:
    """For a command that may trace."""
    return lambda function: function


def inject_tracing_vars(env_dict: Dict[str, str]) -> Dict[str, str]:
    """The environment of a child process that may trace."""
    return env_dict


def get_trace_id() -> str:
    """There is no trace."""
    return ""


def traced(name: str, attrs: Any = None) -> _Nothing:
    """For a block that may be traced."""
    return _Nothing()


def tracing(function: Any) -> Any:
    """For a function that may be traced."""
    return function


class ProcPollEvent(NamedTuple):
    """can_read: there is output. is_terminated: the other end is closed."""

    fd: int
    can_read: bool = False
    is_terminated: bool = False


class ProcPoll:
    """Waits for output of several processes."""

    def __init__(self) -> None:
        import select

        self._poll = select.poll()
        self._read = select.POLLIN
        self._closed = select.POLLHUP | select.POLLERR

    def add(self, fd: int) -> None:
        self._poll.register(fd, self._read | self._closed)

    def remove(self, fd: int) -> None:
        self._poll.unregister(fd)

    def poll(self, timeout: int) -> Iterator[ProcPollEvent]:
        """Events within `timeout` milliseconds."""
        for fd, event in self._poll.poll(timeout):
            yield ProcPollEvent(fd, bool(event & self._read), bool(event & self._closed))


def make_poll() -> ProcPoll:
    """A new ProcPoll."""
    return ProcPoll()


def metaflow_root() -> str:
    """The folder that holds the package `metaflow`."""
    import metaflow

    return os.path.dirname(os.path.dirname(os.path.abspath(str(metaflow.__file__))))
