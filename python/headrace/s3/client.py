"""`S3`: reads and writes objects below a root, or anywhere, many at a time."""

from __future__ import annotations

import os
from io import BufferedIOBase, RawIOBase
from typing import Any, Dict, Iterable, List, Optional, Tuple, Union

from .. import settings
from .errors import MetaflowS3NotFound, MetaflowS3URLException
from .objects import RangeInfo, S3GetObject, S3Object, S3PutObject
from .options import environment_of
from .transfers import Item, Transfers
from .values import Uploads

PutValue = Union[RawIOBase, BufferedIOBase, str, bytes]

_SCHEME = "s3://"
#: Stands for a setting that is looked up when an S3 is made.
_CONFIGURED: Any = object()


class S3:
    """A client of S3, and the temporary directory of what it downloads.

    Keys are relative to a root: of a run's data with `S3(run=self)` or `S3(run=Run(...))`, or `S3(s3root="s3://bucket/path")`.
    Without a root they are full URLs. Downloaded files are removed by `close()` or at the end of a `with`.
    """

    __module__ = "metaflow.plugins.datatools.s3.s3"
    TYPE = "s3"

    @classmethod
    def get_root_from_config(cls, echo: Any, create_on_absent: bool = True) -> Optional[str]:
        """METAFLOW_DATATOOLS_S3ROOT, by default below METAFLOW_DATASTORE_SYSROOT_S3."""
        root: Optional[str] = settings.DATATOOLS_S3ROOT
        return root

    def __init__(
        self,
        tmproot: str = _CONFIGURED,
        bucket: Optional[str] = None,
        prefix: Optional[str] = None,
        run: Any = None,
        s3root: Optional[str] = None,
        encryption: Optional[str] = _CONFIGURED,
        **kwargs: Any,
    ) -> None:
        """tmproot: where the temporary directory is made, METAFLOW_TEMPDIR. run: the running flow, or a Run. bucket, prefix:
        with `run`, in the place of those of METAFLOW_DATATOOLS_S3ROOT. encryption: of the server, for what is written.
        Further: `session_vars`, `client_params` (see `options.py`).

        Raises MetaflowS3URLException for a root that is none, or a flow that does not run.
        """
        import tempfile

        self._tmproot = settings.TEMPDIR if tmproot is _CONFIGURED else tmproot
        self._bucket, self._prefix, self._run = bucket, prefix, run
        self._encryption = settings.S3_SERVER_SIDE_ENCRYPTION if encryption is _CONFIGURED else encryption
        if run:
            self._s3root: Optional[str] = _root_of_run(run, bucket, prefix)
        elif s3root:
            self._s3root = _checked_root(s3root)
        else:
            self._s3root = None
        self._transfers = Transfers(environment_of(self._encryption, kwargs))
        self._tmpdir: Optional[str] = tempfile.mkdtemp(dir=self._tmproot, prefix="metaflow.s3.")

    def __enter__(self) -> "S3":
        return self

    def __exit__(self, *args: Any) -> None:
        self.close()

    def close(self) -> None:
        """Removes what was downloaded."""
        import shutil

        if self._tmpdir and not settings.DEBUG_S3CLIENT:
            shutil.rmtree(self._tmpdir, ignore_errors=True)
            self._tmpdir = None

    # Addresses

    def _url(self, key: Any) -> str:
        """The full URL of a key, or of an S3GetObject or S3PutObject."""
        key = getattr(key, "key", key)
        if isinstance(key, bytes):
            key = key.decode("utf-8")
        if self._s3root is None:
            if key and key.startswith(_SCHEME) and _split(key)[1]:
                return str(key)
            raise MetaflowS3URLException(_no_root(key))
        if not key:
            return self._s3root
        if key.startswith(_SCHEME):
            raise MetaflowS3URLException(
                "The key %s is a full URL, and this S3 has a root (%s): give the key below that, or use S3() without a "
                "root." % (key, self._s3root)
            )
        return os.path.join(self._s3root, key.lstrip("/"))

    def _file(self, name: str) -> str:
        if self._tmpdir is None:
            raise MetaflowS3URLException("This S3 is closed. Use it inside of its `with`, or before `close()`.")
        return os.path.join(self._tmpdir, name)

    # Listing

    def list_paths(self, keys: Optional[Iterable[str]] = None) -> List[S3Object]:
        """The next level below each key, which counts as a directory; the root if there are none. What has a further level
        is an object with `exists` False."""
        return self._list(keys, recursive=False)

    def list_recursive(self, keys: Optional[Iterable[str]] = None) -> List[S3Object]:
        """All objects below each key."""
        return self._list(keys, recursive=True)

    def _list(self, keys: Optional[Iterable[str]], recursive: bool) -> List[S3Object]:
        urls = [self._url(key) for key in ([None] if keys is None else keys)]
        if not recursive:
            urls = [url.rstrip("/") + "/" for url in urls]
        found = self._listed(urls, [_as_directory(url) for url in urls], recursive)
        return [S3Object(prefix, url, None, size) for prefix, url, size in found]

    def _listed(self, prefixes: List[str], urls: List[str], recursive: bool) -> List[Tuple[str, str, Optional[int]]]:
        """(prefix it was asked by, URL, size or None for a further level). urls: what each prefix means."""
        results = self._transfers.ask("s3_list", [{"url": url} for url in urls], recursive=recursive)
        found = []
        for prefix, url, rows in zip(prefixes, urls, results):
            bucket = "%s%s/" % (_SCHEME, _split(url)[0])
            found += [(prefix, bucket + key, size) for key, size in rows or ()]
        return found

    # Looking at objects

    def info(self, key: Optional[str] = None, return_missing: bool = False) -> S3Object:
        """What S3 says of an object. Raises MetaflowS3NotFound unless return_missing: then an object with `exists` False."""
        return self._infos([self._url(key)], return_missing, alone=True)[0]

    def info_many(self, keys: Iterable[str], return_missing: bool = False) -> List[S3Object]:
        """As `info`, side by side, in the order of the keys."""
        return self._infos([self._url(key) for key in keys], return_missing, alone=False)

    def _infos(self, urls: List[str], return_missing: bool, alone: bool) -> List[S3Object]:
        found = self._transfers.ask("s3_info", [{"url": url} for url in urls], missing_allowed=return_missing, alone=alone)
        return [
            S3Object(self._s3root, url, None)
            if info is None
            else S3Object(
                self._s3root,
                url,
                None,
                size=info["size"],
                content_type=info.get("content_type"),
                metadata=info.get("metadata"),
                last_modified=info.get("last_modified"),
                encryption=info.get("encryption"),
            )
            for url, info in zip(urls, found)
        ]

    # Reading

    def get(
        self, key: Union[None, str, S3GetObject] = None, return_missing: bool = False, return_info: bool = True
    ) -> S3Object:
        """Downloads an object, or the part of it that an S3GetObject says; without a key the root itself.

        Raises MetaflowS3NotFound unless return_missing (then `exists` is False), MetaflowS3AccessDenied,
        MetaflowS3InvalidRange, MetaflowS3InsufficientDiskSpace, MetaflowS3Exception.
        """
        import tempfile

        handle, path = tempfile.mkstemp(dir=self._file(""), prefix="metaflow.s3.one_file.")
        os.close(handle)
        try:
            found = self._get([(key, path)], return_missing, return_info, alone=True)[0]
        except BaseException:
            _remove(path)
            raise
        if not found.downloaded:
            _remove(path)
        return found

    def get_many(
        self, keys: Iterable[Union[str, S3GetObject]], return_missing: bool = False, return_info: bool = True
    ) -> List[S3Object]:
        """As `get`, side by side, in the order of the keys."""
        wanted = [(key, self._file(_local_name(self._url(key), key))) for key in keys]
        return self._get(wanted, return_missing, return_info, alone=False)

    def _get(
        self, wanted: List[Tuple[Any, str]], return_missing: bool, return_info: bool, alone: bool
    ) -> List[S3Object]:
        """wanted: key and local file of each."""
        by_path: Dict[str, Item] = {}  # a key that is named twice is fetched once
        for key, path in wanted:
            item: Item = {"url": self._url(key), "path": os.path.abspath(path)}
            for name in ("offset", "length"):
                value = getattr(key, name, None)
                if value is not None and not isinstance(key, str):
                    item[name] = value
            by_path[path] = item
        results = self._transfers.ask("s3_get", list(by_path.values()), missing_allowed=return_missing, alone=alone)
        got = dict(zip(by_path, results))
        return [self._object(self._s3root, by_path[path]["url"], path, got[path], return_info) for _, path in wanted]

    @staticmethod
    def _object(prefix: Optional[str], url: str, path: str, info: Any, return_info: bool) -> S3Object:
        if info is None:
            return S3Object(prefix, url, None)
        if not return_info:
            return S3Object(prefix, url, path)
        return S3Object(
            prefix,
            url,
            path,
            content_type=info.get("content_type"),
            metadata=info.get("metadata"),
            range_info=RangeInfo(info["size"], info["offset"], info["length"]),
            last_modified=info.get("last_modified"),
            encryption=info.get("encryption"),
        )

    def get_recursive(self, keys: Iterable[str], return_info: bool = False) -> List[S3Object]:
        """Downloads all objects below each prefix. Without return_info, `prefix` is the one asked for and `key` relative to
        it; with it both are those of this S3."""
        urls = [self._url(key) for key in keys]
        found = self._listed(urls, urls, recursive=True)
        paths = {url: self._file(_local_name(url, None)) for _, url, _ in found}
        items: List[Item] = [{"url": url, "path": os.path.abspath(path)} for url, path in paths.items()]
        got = dict(zip(paths, self._transfers.ask("s3_get", items)))
        return [
            self._object(self._s3root if return_info else prefix, url, paths[url], got[url], return_info)
            for prefix, url, _ in found
        ]

    def get_all(self, return_info: bool = False) -> List[S3Object]:
        """Downloads all objects below the root. Raises MetaflowS3URLException if there is none."""
        if self._s3root is None:
            raise MetaflowS3URLException("get_all() needs a root: make this S3 with `run` or `s3root`.")
        return self.get_recursive([None], return_info)  # type: ignore[list-item]

    # Writing

    def put(
        self,
        key: Union[str, S3PutObject],
        obj: PutValue,
        overwrite: bool = True,
        content_type: Optional[str] = None,
        metadata: Optional[Dict[str, str]] = None,
    ) -> str:
        """Writes an object; returns its URL. obj: text, bytes, or a binary file, of which all is written. overwrite: False
        leaves an object that exists.

        Raises MetaflowS3InvalidObject for another value, MetaflowS3InsufficientDiskSpace for a large one that has no room in
        the temporary directory, MetaflowS3AccessDenied, MetaflowS3Exception.
        """
        url = self._url(key)
        with Uploads(self._file, overwrite) as uploads:
            uploads.add_value(getattr(key, "key", key), url, obj, content_type, metadata, from_start=True)
            uploads.send(self._transfers, alone=True)
        if hasattr(obj, "close"):
            obj.close()
        return url

    def put_many(
        self, key_objs: Iterable[Union[Tuple[str, PutValue], S3PutObject]], overwrite: bool = True
    ) -> List[Tuple[str, str]]:
        """Writes objects side by side; returns key and URL of those that were written, in the order given."""
        with Uploads(self._file, overwrite) as uploads:
            for one in key_objs:
                key, value = (one.key, one.value) if isinstance(one, S3PutObject) else (one[0], one[1])
                about = getattr(one, "content_type", None), getattr(one, "metadata", None)
                uploads.add_value(key, self._url(key), value, *about)
            return uploads.send(self._transfers)

    def put_files(
        self, key_paths: Iterable[Union[Tuple[str, str], S3PutObject]], overwrite: bool = True
    ) -> List[Tuple[str, str]]:
        """As `put_many`, from files. Raises MetaflowS3NotFound for a file that does not exist."""
        with Uploads(self._file, overwrite) as uploads:
            for one in key_paths:
                key, path = (one.key, one.path) if isinstance(one, S3PutObject) else (one[0], one[1])
                if path is None or not os.path.exists(path):
                    raise MetaflowS3NotFound("Local file not found: %s" % path)
                about = getattr(one, "content_type", None), getattr(one, "metadata", None)
                uploads.add_file(key, self._url(key), path, *about)
            return uploads.send(self._transfers)


def _split(url: str) -> Tuple[str, str]:
    """(bucket, what follows it, with its slash) of an s3:// URL."""
    bucket, slash, rest = url[len(_SCHEME):].partition("/")
    return bucket, slash + rest


def _root_of_run(run: Any, bucket: Optional[str], prefix: Optional[str]) -> str:
    from ..current import current
    from ..flowspec import FlowSpec

    root = settings.DATATOOLS_S3ROOT
    if root is None:
        raise MetaflowS3URLException(
            "S3(run=...) keeps data below METAFLOW_DATATOOLS_S3ROOT, which is not set. Set it, or "
            "METAFLOW_DATASTORE_SYSROOT_S3, or use S3(s3root='s3://BUCKET/PATH')."
        )
    root_bucket, root_path = _split(root)
    if not isinstance(run, FlowSpec):
        names = (run.parent.id, run.id)
    elif current.is_running_flow:
        names = (str(current.flow_name), str(current.run_id))
    else:
        raise MetaflowS3URLException(
            "S3(run=self) needs a running flow. Elsewhere give a run of the Client, S3(run=Run('Flow/ID')), or s3root."
        )
    path = os.path.join(prefix or root_path, *names)
    return _SCHEME + os.path.join(bucket or root_bucket, path.strip("/"))


def _checked_root(root: Union[str, bytes]) -> str:
    text = root.decode("utf-8") if isinstance(root, bytes) else root
    if not text.startswith(_SCHEME):
        raise MetaflowS3URLException("The root of an S3 is a URL of the form s3://BUCKET/PATH, not %s." % text)
    return text.rstrip("/")


def _no_root(key: Any) -> str:
    from ..current import current

    text = "The key %s is no full s3:// URL, and this S3 has no root: " % key
    if current.is_running_flow:
        return text + "use S3(run=self) in a running flow, or give full URLs."
    return text + "make it with `s3root` or `run`, or give full URLs."


def _as_directory(url: str) -> str:
    """The prefix of all that is below a URL; a bucket's own has no slash of its own."""
    path = _split(url)[1].lstrip("/")
    return url if not path or url.endswith("/") else url + "/"


def _local_name(url: str, key: Any) -> str:
    """A file name for an object or a part of it, which ends in the last part of its key."""
    from hashlib import sha1

    offset, length = (None, None) if isinstance(key, str) else (getattr(key, "offset", None), getattr(key, "length", None))
    part = "whole" if offset is None and length is None else "%s_%s" % (offset, length)
    leaf = "".join(c if (c.isascii() and c.isalnum()) or c in "._-" else "_" for c in url.rpartition("/")[2])[-100:]
    return "-".join((sha1(url.encode("utf-8")).hexdigest(), part, leaf))


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
