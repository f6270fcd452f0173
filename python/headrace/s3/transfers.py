"""Requests to the store process that moves objects: one process for each set of S3 settings that this process uses.

The settings of a store process are the environment it was started with. What is in this process's environment counts when an
`S3` is made, so a task can set its credentials first; and a task's transfers are its own, not the run's.
"""

from __future__ import annotations

import json
import os
from _thread import allocate_lock
from typing import Any, Dict, List, Optional, Tuple

from ..channel import Bytes, Channel
from ..engine import StoreDoor, engine_environment, with_changes
from ..errors import EngineError, EngineMissing, MetaflowException
from .errors import MetaflowS3Exception, failure_of, text_of

Item = Dict[str, Any]

#: What of the environment tells how S3 is reached.
_PREFIXES = ("AWS_", "METAFLOW_S3_", "HEADRACE_S3_")
_NAMES = ("HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "REQUESTS_CA_BUNDLE")

#: Of one request: a message to the engine has room for some 300,000.
ITEMS_MAX = 50_000

_channels: Dict[Tuple[Tuple[str, str], ...], Channel] = {}
_lock = allocate_lock()


def _after_fork() -> None:
    global _lock
    _lock = allocate_lock()


os.register_at_fork(after_in_child=_after_fork)


def _channel_for(changes: Dict[str, str]) -> Channel:
    """changes: of this process's environment, for the store process; an empty text takes a variable away."""
    environment = with_changes(engine_environment(client_params=False), changes)
    settings = tuple(
        sorted(item for item in environment.items() if item[0].startswith(_PREFIXES) or item[0] in _NAMES)
    )
    with _lock:
        if settings not in _channels:
            _channels[settings] = Channel(StoreDoor(environment).get)
        return _channels[settings]


class Transfers:
    """Moves objects with one set of settings."""

    def __init__(self, changes: Dict[str, str]) -> None:
        """changes: of the environment. The process starts with the first request."""
        self._changes = changes

    def ask(
        self, op: str, items: List[Item], payload: Bytes = b"", missing_allowed: bool = False, alone: bool = False, **fields: Any
    ) -> List[Optional[Any]]:
        """The result of each item, in order; None where there is no such object and that is allowed.

        Raises for the first item that failed. alone: the caller asked for this one object. payload: of at most ITEMS_MAX items.
        """
        results: List[Any] = []
        for first in range(0, len(items), ITEMS_MAX):
            portion = items[first : first + ITEMS_MAX]
            try:
                answer = _channel_for(self._changes).request(
                    op, payload, items=portion, missing_allowed=missing_allowed, **fields
                )
            except EngineMissing:
                raise
            except EngineError as error:
                raise _refused(error, portion[0]["url"]) from error
            done = json.loads(bytes(answer.payload))
            for result, item in zip(done, portion):
                if isinstance(result, dict) and "error" in result and not (missing_allowed and _is_missing(result)):
                    raise failure_of(result, item["url"], alone)
            results += done
        return [None if isinstance(result, dict) and "error" in result else result for result in results]


def _is_missing(result: Dict[str, Any]) -> bool:
    return result["error"].get("kind") == "missing"


def _refused(error: EngineError, url: str) -> MetaflowException:
    """For a request that failed as a whole: settings that cannot be used, an ill-formed address, no engine."""
    parts = {name: getattr(error, name, "") for name in ("what", "where", "why", "next")}
    return MetaflowS3Exception("S3 could not be used. Key: %s. Last error: %s" % (url, text_of(parts)))
