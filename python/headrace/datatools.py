"""`metaflow.S3` and its neighbours: data from outside the datastore."""

from __future__ import annotations

from typing import Any

from .errors import MetaflowException
from .s3 import (
    S3,
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
    RangeInfo,
    S3GetObject,
    S3Object,
    S3PutObject,
)

__all__ = [
    "Local", "MetaflowLocalNotFound", "MetaflowLocalURLException", "MetaflowS3AccessDenied", "MetaflowS3Exception",
    "MetaflowS3InsufficientDiskSpace", "MetaflowS3InvalidObject", "MetaflowS3InvalidRange", "MetaflowS3NotFound",
    "MetaflowS3URLException", "RangeInfo", "S3", "S3GetObject", "S3Object", "S3PutObject",
]


class MetaflowLocalURLException(MetaflowException):
    headline = "Invalid path"


class MetaflowLocalNotFound(MetaflowException):
    headline = "Local object not found"


class Local:
    """Files as S3 objects. Raises MetaflowLocalURLException when it is made."""

    TYPE = "local"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise MetaflowLocalURLException(
            "metaflow.datatools.Local is not available in Headrace. Open the files with `open`, or use IncludeFile."
        )


for _cls in (MetaflowLocalURLException, MetaflowLocalNotFound, Local):
    _cls.__module__ = "metaflow.plugins.datatools.local"
del _cls
