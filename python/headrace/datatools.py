"""`metaflow.S3` and its neighbours: data from outside the datastore. In this version the names exist, use is refused."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional

from .errors import MetaflowException

__all__ = [
    "Local", "MetaflowLocalNotFound", "MetaflowLocalURLException", "MetaflowS3AccessDenied", "MetaflowS3Exception",
    "MetaflowS3InsufficientDiskSpace", "MetaflowS3InvalidObject", "MetaflowS3InvalidRange", "MetaflowS3NotFound",
    "MetaflowS3URLException", "RangeInfo", "S3", "S3GetObject", "S3PutObject",
]


class MetaflowS3InvalidObject(MetaflowException):
    headline = "Not a string-like object"


class MetaflowS3URLException(MetaflowException):
    headline = "Invalid address"


class MetaflowS3Exception(MetaflowException):
    headline = "S3 access failed"


class MetaflowS3NotFound(MetaflowException):
    headline = "S3 object not found"


class MetaflowS3AccessDenied(MetaflowException):
    headline = "S3 access denied"


class MetaflowS3InvalidRange(MetaflowException):
    headline = "S3 invalid range"


class MetaflowS3InsufficientDiskSpace(MetaflowException):
    headline = "Insufficient disk space"


class MetaflowLocalURLException(MetaflowException):
    headline = "Invalid path"


class MetaflowLocalNotFound(MetaflowException):
    headline = "Local object not found"


class RangeInfo(NamedTuple):
    """The part of an object that was read, in bytes; total_size: of the whole object."""

    total_size: Optional[int] = None
    request_offset: int = 0
    request_length: Optional[int] = None


class S3GetObject(NamedTuple):
    """What to read: an object's key, and the bytes of it."""

    key: str
    offset: Optional[int] = None
    length: Optional[int] = None


class S3PutObject(NamedTuple):
    """What to write."""

    key: str
    value: Optional[Any] = None
    path: Optional[str] = None
    content_type: Optional[str] = None
    encryption: Optional[str] = None
    metadata: Optional[Dict[str, str]] = None


class S3:
    """The S3 client. Raises MetaflowS3Exception when it is made: this version of Headrace has none yet."""

    TYPE = "s3"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MetaflowS3Exception(
            "metaflow.S3 is not available in this version of Headrace yet. Read and write the objects with another S3 "
            "client, such as boto3, or keep the data in artifacts or in files."
        )


class Local:
    """Files as S3 objects. Raises MetaflowLocalURLException when it is made."""

    TYPE = "local"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MetaflowLocalURLException(
            "metaflow.datatools.Local is not available in Headrace. Open the files with `open`, or use IncludeFile."
        )


_MODULES = {
    "metaflow.plugins.datatools.s3.s3": (
        MetaflowS3InvalidObject, MetaflowS3URLException, MetaflowS3Exception, MetaflowS3NotFound,
        MetaflowS3AccessDenied, MetaflowS3InvalidRange, MetaflowS3InsufficientDiskSpace, RangeInfo, S3,
    ),
    "metaflow.plugins.datatools.s3": (S3GetObject, S3PutObject),
    "metaflow.plugins.datatools.local": (MetaflowLocalURLException, MetaflowLocalNotFound, Local),
}
for _module, _classes in _MODULES.items():
    for _cls in _classes:
        _cls.__module__ = _module
del _module, _classes, _cls
