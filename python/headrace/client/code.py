"""MetaflowCode: the code package a remote task ran with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Dict, List, Optional

from headrace.client import store
from headrace.errors import MetaflowInternalError

if TYPE_CHECKING:
    import tarfile
    from tempfile import TemporaryDirectory

_OLDEST_FORM = '{"version": 0, "archive_format": "tgz", "mfcontent_version": 0}'
#: At the top of a package beside the user's files: the framework and what it notes (datastore.md, section 9).
_NOT_USER_FILES = (".mf_code", ".mf_meta", ".mf_install", "_escape_trampolines")
_NOT_USER_FILES_V0 = ("metaflow", "metaflow_extensions", "INFO", "CONFIG", "INFO_METAFLOW", "DIST_INFO_METAFLOW")


class MetaflowCode:
    """Source text and files of a run, as they were packed when its first remote task was made.

    flow_name: of the flow. code_package: the value of a task's `code-package` metadata, a JSON text.
    """

    __module__ = "metaflow.client.core"

    def __init__(self, flow_name: str, code_package: str) -> None:
        noted = json.loads(code_package)
        self._flow_name = flow_name
        self._path: str = noted["location"]
        self._ds_type: str = noted["ds_type"]
        self._sha: str = noted["sha"]
        form = json.loads(noted.get("metadata") or _OLDEST_FORM)
        self._form: int = form.get("mfcontent_version", 0)
        self._archive: str = form.get("archive_format", "tgz")
        self._bytes = store.load_raw(_root_of(self._path, flow_name), flow_name, self._sha, name="code package")
        self._tarball: Optional["tarfile.TarFile"] = None
        self._info = self._read_info()
        self._flowspec = self._read(self._info["script"])

    def _open(self) -> "tarfile.TarFile":
        import io
        import tarfile

        if self._archive != "tgz":
            raise RuntimeError("Archive is not a tarball")
        return tarfile.open(fileobj=io.BytesIO(self._bytes), mode="r:gz")

    def _read(self, member: str) -> bytes:
        with self._open() as tar:
            file = tar.extractfile(member)
            if file is None:
                raise KeyError(member)
            return file.read()

    def _read_info(self) -> Dict[str, Any]:
        for member in (".mf_meta/INFO",) if self._form else ("INFO", "INFO_METAFLOW"):
            try:
                info: Dict[str, Any] = json.loads(self._read(member).decode("utf-8"))
                return info
            except KeyError:
                continue
        raise MetaflowInternalError("Code package metadata is invalid.")

    @property
    def path(self) -> str:
        """Where the package is in the datastore."""
        return self._path

    @property
    def info(self) -> Dict[str, Any]:
        """What was noted about the environment it was made in, such as `script` and `python_version`."""
        return self._info

    @property
    def flowspec(self) -> bytes:
        """The flow's file. Bytes, as Metaflow gives them, though its documentation speaks of a str."""
        return self._flowspec

    @property
    def script_name(self) -> str:
        """The name of the flow's file."""
        return str(self._info["script"])

    @property
    def tarball(self) -> "tarfile.TarFile":
        """The whole package, the framework included."""
        if self._tarball is None:
            self._tarball = self._open()
        return self._tarball

    def extract(self) -> "TemporaryDirectory[str]":
        """A temporary directory with the user's files; it goes with the returned object or its `cleanup()`."""
        from tempfile import TemporaryDirectory

        directory = TemporaryDirectory()
        with self._open() as tar:
            members = self._user_members(tar)
            if hasattr(tar, "extraction_filter"):
                tar.extractall(directory.name, members=members, filter="data")
            else:
                tar.extractall(directory.name, members=[m for m in members if _stays_below(m.name)])
        return directory

    def _user_members(self, tar: "tarfile.TarFile") -> List["tarfile.TarInfo"]:
        others = _NOT_USER_FILES if self._form else _NOT_USER_FILES + _NOT_USER_FILES_V0
        return [member for member in tar.getmembers() if member.name.split("/")[0] not in others]

    def environment(self, metadata: Dict[str, Any]) -> Dict[str, Any]:
        """What the package's manifest says of the conda or pypi environment of a task with this metadata."""
        prefix = str(metadata.get("conda_env_prefix") or "").split("/")
        if len(prefix) < 3:
            return {}
        manifest = json.loads(self._read("conda.manifest").decode("utf-8"))
        found: Dict[str, Any] = manifest[prefix[2]][prefix[1]]
        return found

    def __str__(self) -> str:
        return "<MetaflowCode: %s>" % self._info["script"]


def _stays_below(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")


def _root_of(location: str, flow_name: str) -> str:
    """The datastore root of a blob at ROOT/FLOW/data/AB/SHA."""
    root, found, _ = location.rpartition("/%s/data/" % flow_name)
    if not found:
        raise MetaflowInternalError("The code package at %s is not in a datastore of %s." % (location, flow_name))
    return root
