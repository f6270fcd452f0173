"""`metaflow.S3`: objects in S3, moved by the engine's store process (docs/formats/wire.md, section 5.1)."""

from __future__ import annotations

from .client import S3
from .errors import (
    MetaflowS3AccessDenied,
    MetaflowS3Exception,
    MetaflowS3InsufficientDiskSpace,
    MetaflowS3InvalidObject,
    MetaflowS3InvalidRange,
    MetaflowS3NotFound,
    MetaflowS3URLException,
)
from .objects import RangeInfo, S3GetObject, S3Object, S3PutObject

__all__ = [
    "MetaflowS3AccessDenied", "MetaflowS3Exception", "MetaflowS3InsufficientDiskSpace", "MetaflowS3InvalidObject",
    "MetaflowS3InvalidRange", "MetaflowS3NotFound", "MetaflowS3URLException", "RangeInfo", "S3", "S3GetObject", "S3Object",
    "S3PutObject",
]
