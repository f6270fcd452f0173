"""What `metaflow.S3` raises, and which of the engine's failures is which."""

from __future__ import annotations

from typing import Any, Dict

from ..errors import MetaflowException

_MODULE = "metaflow.plugins.datatools.s3.s3"


class MetaflowS3InvalidObject(MetaflowException):
    """A value that is neither text, bytes nor a file that can be read from its beginning."""

    __module__ = _MODULE
    headline = "Not a string-like object"


class MetaflowS3URLException(MetaflowException):
    __module__ = _MODULE
    headline = "Invalid address"


class MetaflowS3Exception(MetaflowException):
    __module__ = _MODULE
    headline = "S3 access failed"


class MetaflowS3NotFound(MetaflowException):
    __module__ = _MODULE
    headline = "S3 object not found"


class MetaflowS3AccessDenied(MetaflowException):
    __module__ = _MODULE
    headline = "S3 access denied"


class MetaflowS3InvalidRange(MetaflowException):
    __module__ = _MODULE
    headline = "S3 invalid range"


class MetaflowS3InsufficientDiskSpace(MetaflowException):
    __module__ = _MODULE
    headline = "Insufficient disk space"


def text_of(error: Dict[str, Any]) -> str:
    """The engine's failure in one line: what, where, why, and what to do next."""
    text = str(error.get("what") or "")
    for part in ("where", "why", "next"):
        if error.get(part):
            text += "%s %s" % ("," if part == "where" else ":" if part == "why" else ";", error[part])
    return text


def failure_of(failed: Dict[str, Any], url: str, alone: bool) -> MetaflowException:
    """The exception for one object. failed: `error` and `reason` of the answer. alone: it was asked for by itself."""
    error = failed["error"]
    kind, reason = error.get("kind"), failed.get("reason")
    if kind == "missing":
        return MetaflowS3NotFound(url if alone else "There is no object at %s" % url)
    if kind == "denied":
        return MetaflowS3AccessDenied("%s: %s" % (url, text_of(error)))
    if reason == "range":
        return MetaflowS3InvalidRange("The range asked for is not inside of %s: %s" % (url, text_of(error)))
    if reason == "disk_full":
        return MetaflowS3InsufficientDiskSpace("There is no space for %s: %s" % (url, text_of(error)))
    return MetaflowS3Exception("S3 could not be used. Key: %s. Last error: %s" % (url, text_of(error)))
