"""What is to be written: values and files, gathered to few requests."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedIOBase, BufferedRandom, BufferedReader, FileIO, RawIOBase
from typing import Any, Callable, Dict, List, Optional, Tuple

from .errors import MetaflowS3InsufficientDiskSpace, MetaflowS3InvalidObject
from .transfers import ITEMS_MAX, Item, Transfers

#: Larger values travel as files.
_VALUE_BYTES_MAX = 8 << 20
#: Of values in one request.
_PAYLOAD_BYTES_MAX = 64 << 20


class Uploads:
    """Objects to be written by one call. Temporary files are removed at the end of its `with`."""

    def __init__(self, file: Callable[[str], str], overwrite: bool) -> None:
        """file: the path of a temporary file by its name."""
        self._file = file
        self._overwrite = overwrite
        self._keys: List[str] = []
        self._items: List[Item] = []
        self._values: List[bytes] = []  #: of the items without a path, in their order
        self._temporary: List[str] = []
        self._kept: List[Any] = []  #: files that the engine reads through this process

    def __enter__(self) -> "Uploads":
        return self

    def __exit__(self, *args: Any) -> None:
        for path in self._temporary:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass

    def add_file(
        self, key: str, url: str, path: str, content_type: Optional[str], metadata: Optional[Dict[str, str]]
    ) -> None:
        self._add(key, url, content_type, metadata, {"path": os.path.realpath(path)})

    def add_value(
        self,
        key: str,
        url: str,
        value: Any,
        content_type: Optional[str] = None,
        metadata: Optional[Dict[str, str]] = None,
        from_start: bool = False,
    ) -> None:
        """value: text, bytes, or a binary file. from_start: all of a file is meant, else what comes from its position.

        Raises MetaflowS3InvalidObject, MetaflowS3InsufficientDiskSpace.
        """
        if isinstance(value, (RawIOBase, BufferedIOBase)):
            if not value.readable() or not value.seekable():
                raise MetaflowS3InvalidObject("The file for the key '%s' cannot be read, or not from its beginning." % key)
            if from_start:
                value.seek(0)
            path = _path_of_open(value)
            if path is not None:
                self._kept.append(value)
                self._add(key, url, content_type, metadata, {"path": path})
                return
            value = value.read()
        elif isinstance(value, str):
            value = value.encode("utf-8")
        elif not isinstance(value, bytes):
            raise MetaflowS3InvalidObject(
                "The value for the key '%s' is a %s: text, bytes or a binary file can be written." % (key, type(value).__name__)
            )
        if len(value) > _VALUE_BYTES_MAX:
            self._add(key, url, content_type, metadata, {"path": self._write(key, value)})
            return
        self._values.append(value)
        self._add(key, url, content_type, metadata, {"size": len(value)})

    def _add(
        self, key: str, url: str, content_type: Optional[str], metadata: Optional[Dict[str, str]], item: Item
    ) -> None:
        item["url"] = url
        if content_type:
            item["content_type"] = content_type
        if metadata:
            import json

            item["metadata"] = {"metaflow-user-attributes": json.dumps(metadata)}
        self._keys.append(key)
        self._items.append(item)

    def _write(self, key: str, value: bytes) -> str:
        import tempfile

        folder = self._file("")
        try:
            handle, path = tempfile.mkstemp(dir=folder, prefix="metaflow.s3.put_many.")
            self._temporary.append(path)
            with os.fdopen(handle, "wb") as f:
                f.write(value)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise MetaflowS3InsufficientDiskSpace(
                "There is no space for the value of the key '%s' (%d bytes), which waits in %s until it is sent: %s. Give "
                "S3(tmproot=...), or METAFLOW_TEMPDIR, a folder with more space." % (key, len(value), folder, error.strerror)
            ) from error
        return os.path.abspath(path)

    def send(self, transfers: Transfers, alone: bool = False) -> List[Tuple[str, str]]:
        """Key and URL of what was written."""
        written: List[Tuple[str, str]] = []
        for keys, items, values in self._requests():
            results = transfers.ask("s3_put", items, b"".join(values), alone=alone, overwrite=self._overwrite)
            written += [(key, item["url"]) for key, item, got in zip(keys, items, results) if got and got["written"]]
        return written

    def _requests(self) -> List[Tuple[List[str], List[Item], List[bytes]]]:
        """The items in portions, each with the values that go along."""
        portions: List[Tuple[List[str], List[Item], List[bytes]]] = []
        room = 0
        values = iter(self._values)
        for key, item in zip(self._keys, self._items):
            size = item.get("size", 0)
            if not portions or size > room or len(portions[-1][0]) >= ITEMS_MAX:
                portions.append(([], [], []))
                room = _PAYLOAD_BYTES_MAX
            room -= size
            portions[-1][0].append(key)
            portions[-1][1].append(item)
            if "size" in item:
                portions[-1][2].append(next(values))
        return portions


def _path_of_open(file: Any) -> Optional[str]:
    """A path by which the engine can open a regular file that is open here and at its beginning; None for another one.

    What reads through a file, and gives other bytes than it holds, has the file's descriptor too: `gzip.open`, a member of an
    archive. Only files as `open` makes them are meant.
    """
    if type(file) not in (FileIO, BufferedReader, BufferedRandom) or type(getattr(file, "raw", file)) is not FileIO:
        return None
    try:
        descriptor = file.fileno()
        at_start = file.tell() == 0
    except (OSError, ValueError):
        return None
    if not at_start or not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    if file.writable():
        file.flush()
    path = "/proc/%d/fd/%d" % (os.getpid(), descriptor)
    return path if os.path.exists(path) else None
