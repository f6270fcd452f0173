"""What `metaflow.S3` takes and gives: objects, and parts of objects."""

from __future__ import annotations

import os
from typing import Any, Dict, NamedTuple, Optional

_MODULE = "metaflow.plugins.datatools.s3.s3"


class RangeInfo(NamedTuple):
    """The part of an object that was read, in bytes. total_size: of the whole object."""

    total_size: int
    request_offset: int = 0
    request_length: int = -1


class S3GetObject(NamedTuple):
    """What to read. length: None is to the end, negative the last bytes, whatever the offset."""

    key: str
    offset: Optional[int]
    length: Optional[int]


class S3PutObject(NamedTuple):
    """What to write: `value` for `put_many`, `path` for `put_files`."""

    key: str
    value: Optional[Any] = None
    path: Optional[str] = None
    content_type: Optional[str] = None
    encryption: Optional[str] = None
    metadata: Optional[Dict[str, str]] = None


class S3Object:
    """An object in S3, or a place where there is none; with a local copy if it was downloaded.

    Made by the methods of `S3`.
    """

    __module__ = _MODULE

    def __init__(
        self,
        prefix: Optional[str],
        url: str,
        path: Optional[str],
        size: Optional[int] = None,
        content_type: Optional[str] = None,
        metadata: Optional[Dict[str, str]] = None,
        range_info: Optional[RangeInfo] = None,
        last_modified: Optional[float] = None,
        encryption: Optional[str] = None,
    ) -> None:
        """prefix: what the key is relative to, or None. metadata: entries as S3 stores them."""
        self._url = url
        self._path = path
        self._size = os.stat(path).st_size if path else size
        self._content_type = content_type
        self._last_modified = last_modified
        self._encryption = encryption
        self._range_info = range_info
        self._metadata: Optional[Dict[str, str]] = None
        if metadata and "metaflow-user-attributes" in metadata:
            import json

            self._metadata = json.loads(metadata["metaflow-user-attributes"])
        if prefix is None or prefix == url:
            self._key, self._prefix = url, None
        else:
            self._key, self._prefix = url[len(prefix.rstrip("/")) + 1:].rstrip("/"), prefix

    @property
    def exists(self) -> bool:
        """Whether there is such an object; a prefix of others is none."""
        return self._size is not None

    @property
    def downloaded(self) -> bool:
        """Whether `path`, `blob` and `text` have something."""
        return bool(self._path)

    @property
    def url(self) -> str:
        """`s3://bucket/key`."""
        return self._url

    @property
    def prefix(self) -> Optional[str]:
        """What the key is relative to; None when it is relative to nothing."""
        return self._prefix

    @property
    def key(self) -> str:
        """The key as it was asked for: below the prefix, or the URL."""
        return self._key

    @property
    def path(self) -> Optional[str]:
        """The local copy. It goes when the S3 that made it is closed."""
        return self._path

    @property
    def blob(self) -> Optional[bytes]:
        """The content, read from the local copy at each call; None if it was not downloaded."""
        if not self._path:
            return None
        with open(self._path, "rb") as f:
            return f.read()

    @property
    def text(self) -> Optional[str]:
        """The content as UTF-8, bad bytes replaced; None if it was not downloaded."""
        blob = self.blob
        return None if blob is None else blob.decode("utf-8", errors="replace")

    @property
    def size(self) -> Optional[int]:
        """Bytes: of the local copy if there is one, else of the object; None if there is no object."""
        return self._size

    @property
    def has_info(self) -> bool:
        """Whether any of content_type, metadata, encryption and range_info is known."""
        known = (self._content_type, self._metadata, self._encryption, self._range_info)
        return any(value is not None for value in known)

    @property
    def content_type(self) -> Optional[str]:
        return self._content_type

    @property
    def metadata(self) -> Optional[Dict[str, str]]:
        """What was given as `metadata` when it was written."""
        return self._metadata

    @property
    def encryption(self) -> Optional[str]:
        """Of the server, such as `AES256`."""
        return self._encryption

    @property
    def range_info(self) -> Optional[RangeInfo]:
        """The part that was downloaded, also when that is all."""
        return self._range_info

    @property
    def last_modified(self) -> Optional[float]:
        """Seconds since 1970."""
        return self._last_modified

    def __str__(self) -> str:
        if self._path:
            return "<S3Object %s (%d bytes, local)>" % (self._url, self._size or 0)
        if self._size:
            return "<S3Object %s (%d bytes, in S3)>" % (self._url, self._size)
        return "<S3Object %s (object does not exist)>" % self._url

    def __repr__(self) -> str:
        return str(self)


for _cls in (RangeInfo, S3GetObject, S3PutObject):
    _cls.__module__ = _MODULE
del _cls
