"""What can go wrong in `parallel_map`."""

from __future__ import annotations


class MulticoreException(Exception):
    """A worker of `parallel_map` could not do its work."""


MulticoreException.__module__ = "metaflow.multicore_utils"


class WorkerDied(MulticoreException):
    """A worker ended while it had items: killed, crashed, out of memory, or left by `os._exit` or `sys.exit`.

    position: index of the item it was at, or None if it had not started one. exit_code: of the process, negative for a
    signal, 0 if it is not known.
    """

    def __init__(self, message: str, position: "int | None" = None, exit_code: int = 0) -> None:
        super().__init__(message)
        self.position = position
        self.exit_code = exit_code


class WorkerTraceback(Exception):
    """The cause of an exception that came from a worker: shows the traceback of the place where it was raised."""

    def __init__(self, text: str, position: int) -> None:
        super().__init__(text)
        self.text = text
        self.position = position

    def __str__(self) -> str:
        return "item %d, in a worker:\n%s" % (self.position, self.text)
