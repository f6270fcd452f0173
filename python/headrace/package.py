"""The code package of a flow: what a task on another machine needs of this one (datastore contract, section 9).

The same files give the same bytes: members are sorted, and times and owners are left out.
"""

from __future__ import annotations

import os
import sys
from types import CodeType
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from ._version import METAFLOW_FULL_VERSION
from .errors import MetaflowException
from .ignore_files import IGNORE_FILE, IgnoreRules

#: Modification time of every member.
_MTIME = 1575360000
_GZIP_LEVEL = 3
#: Folders at the top of the flow's directory that are an extracted package's own.
_EXCLUDED = (".mf_code", ".mf_meta", "_escape_trampolines")
#: An archive over this is said to be large, with the largest of its files.
_LARGE_BYTES = 10 << 20
_LARGEST_SHOWN = 5
#: Files of this framework that tasks need.
_FRAMEWORK_SUFFIXES = (".py", ".html", ".css", ".js", ".typed")

#: (path, name in the archive)
Member = Tuple[str, str]


def suffix_filter(suffixes: List[str]) -> Callable[[str], bool]:
    """Whether a file name ends with one of `suffixes`; a hidden file must be equal to one."""
    lower = tuple(suffix.lower() for suffix in suffixes)

    def matches(name: str) -> bool:
        name = name.lower()
        return name in lower if name.startswith(".") else name.endswith(lower)

    return matches


def _walk(root: str, wanted: Callable[[str], bool], ignore_files: Optional[List[str]] = None) -> Iterator[Member]:
    """Files below `root`, links followed. Hidden folders, and folders that lead back to one above, are left out.

    ignore_files: where the names of ignore files are put, which count then.
    """

    def below(folder: str, prefix: str, above: Dict[Tuple[int, int], None], rules: IgnoreRules) -> Iterator[Member]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            return
        if ignore_files is not None:
            for entry in entries:
                if entry.name == IGNORE_FILE and entry.is_file():
                    ignore_files.append(prefix + IGNORE_FILE)
                    rules = rules.with_file(entry.path, prefix)
        for entry in entries:
            name = prefix + entry.name
            if entry.is_file():
                if wanted(entry.name) and not rules.ignore(name, is_folder=False):
                    yield entry.path, name
            elif entry.is_dir() and not entry.name.startswith(".") and not (not prefix and entry.name in _EXCLUDED):
                state = entry.stat()
                identity = (state.st_dev, state.st_ino)
                if identity not in above and not rules.ignore(name, is_folder=True):
                    yield from below(entry.path, name + "/", {**above, identity: None}, rules)

    state = os.stat(root)
    return below(root, "", {(state.st_dev, state.st_ino): None}, IgnoreRules())


def _click() -> Iterator[Member]:
    """The library behind the command line, which the image of a pod need not have: `headrace.cli` looks for it there."""
    import click

    for path, inner in _walk(os.path.dirname(os.path.abspath(click.__file__)), lambda file: file.endswith(_FRAMEWORK_SUFFIXES)):
        if "__pycache__" not in inner:
            yield path, ".mf_code/headrace/_click/click/" + inner


class MetaflowPackage:
    """The package of a flow; made when its content is first asked for."""

    package_metadata = '{"version": 0, "archive_format": "tgz", "mfcontent_version": 1}'

    def __init__(
        self,
        flow: Any,
        environment: Any,
        echo: Callable[..., None],
        suffixes: Optional[List[str]] = None,
        flow_datastore: Any = None,
    ) -> None:
        """suffixes: of the files to take. flow_datastore: kept for callers that pass one; nothing is uploaded here."""
        from .settings_keys import DEFAULTS

        self._flow = flow
        self._environment = environment
        self._echo = echo
        default = set(DEFAULTS["DEFAULT_PACKAGE_SUFFIXES"].split(","))
        self._suffixes = sorted(set(suffixes or []) | default)
        self._more_suffixes = bool(set(self._suffixes) - default)
        self._directory = os.path.dirname(os.path.abspath(_script())) + "/"
        self._blob: Optional[bytes] = None
        self._members: Optional[List[Member]] = None
        self._sizes: Dict[str, int] = {}  #: of the members, once the archive is made
        self._always: Set[str] = set()  #: members of every package
        self._ignore_files: List[str] = []
        self._compiled: Dict[str, Member] = {}

    def path_tuples(self) -> List[Member]:
        """`(file on this machine, name in the archive)`, sorted by name; "" as file for what is made here."""
        if self._members is None:
            found = dict((name, path) for path, name in self._framework())
            if sys.version_info >= (3, 11):  # before, the compiled form of a set is not the same each time
                self._compiled = {_compiled_name(name): (path, name) for name, path in found.items()
                                  if name.startswith(".mf_code/headrace/") and name.endswith(".py")}
            self._always = {*found, *self._compiled, *self._generated()}
            found.update((name, path) for path, name in self._beside_the_flow())
            self._add_from_decorators(found)
            found.update((name, "") for name in (*self._generated(), *self._compiled))
            self._members = [(found[name], name) for name in sorted(found)]
        return self._members

    def _beside_the_flow(self) -> List[Member]:
        """The user's files, but for what ignore files leave out. Raises MetaflowException if that is the flow's own file."""
        self._ignore_files = []
        wanted = suffix_filter(self._suffixes)
        found = list(_walk(self._directory, wanted, self._ignore_files))
        script = os.path.basename(_script())
        if self._ignore_files and wanted(script) and os.path.isfile(_script()) and script not in (name for _, name in found):
            raise MetaflowException(
                "The flow's own file %s is left out of the code package by %s, and without it no step can run in a pod. Add "
                "the line `!/%s` at the end of %s." % (script, IGNORE_FILE, script, IGNORE_FILE)
            )
        return found

    def _framework(self) -> Iterator[Member]:
        here = os.path.dirname(os.path.abspath(__file__))
        for name in ("headrace", "metaflow"):
            root = os.path.join(os.path.dirname(here), name)
            if not os.path.isdir(root):
                continue
            for path, inner in _walk(root, lambda file: file.endswith(_FRAMEWORK_SUFFIXES)):
                if "__pycache__" not in inner and not inner.startswith(("_bin/", "_click/")):
                    yield path, ".mf_code/%s/%s" % (name, inner)
        yield from _click()

    def _add_from_decorators(self, found: Dict[str, str]) -> None:
        sources: List[Any] = [d for decos in self._flow._flow_decorators.values() for d in decos]
        for step in self._flow:
            for deco in step.decorators:
                deco.package_init(self._flow, step.__name__, self._environment)
            sources += list(step.decorators) + list(getattr(step, "config_decorators", []))
        sources += list(self._flow._flow_mutators)
        for source in sources:
            hook = getattr(source, "add_to_package", None)
            for entry in (hook() or ()) if hook is not None else ():
                path, name = entry[0], entry[1]
                kind = getattr(entry[2], "name", str(entry[2])) if len(entry) > 2 else "CODE_CONTENT"
                where = name if "USER" in kind else ".mf_code/%s" % name
                real = os.path.realpath(path)
                if where in found and os.path.realpath(found[where]) != real:
                    raise MetaflowException(
                        "Two files are to be packaged as '%s': %s and %s. `add_to_package` needs one file for each "
                        "name." % (name, found[where], path)
                    )
                found[where] = real

    def _generated(self) -> Dict[str, bytes]:
        import json

        from .user_configs import dump_config_values

        def text(value: Any) -> bytes:
            return json.dumps(value).encode("utf-8")

        return {
            ".mf_install": text({"version": 1, "module_files": []}),
            ".mf_meta/INFO": text(self._environment.get_environment_info(include_ext_info=True)),
            ".mf_meta/CONFIG": text(dump_config_values(self._flow)),
            ".mf_meta/DIST_INFO": text({}),
        }

    @property
    def blob(self) -> bytes:
        """The archive: tar, gzip."""
        if self._blob is None:
            self._blob = self._make()
        return self._blob

    def blob_with_timeout(self, timeout: Optional[float] = None) -> bytes:
        """As `blob`; it is made at once, so there is nothing to wait for."""
        return self.blob

    def _make(self) -> bytes:
        import gzip
        import io
        import tarfile

        generated = self._generated()
        buffer = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=_GZIP_LEVEL, mtime=0) as packed:
            with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
                for path, name in self.path_tuples():
                    info = tarfile.TarInfo(name)
                    info.mtime = _MTIME
                    if path:
                        content = _content(path)
                    else:
                        content = generated[name] if name in generated else _compiled(*self._compiled[name])
                    info.size = self._sizes[name] = len(content)
                    info.mode = 0o755 if path and os.access(path, os.X_OK) else 0o644
                    archive.addfile(info, io.BytesIO(content))
        return buffer.getvalue()

    def size_notice(self) -> List[str]:
        """Lines that say how large the archive is, and because of which files; none unless it is over 10 MB."""
        size = len(self.blob)
        if size <= _LARGE_BYTES:
            return []
        chosen = [(name, each) for name, each in self._sizes.items() if name not in self._always]
        largest = sorted(chosen, key=lambda item: (-item[1], item[0]))[:_LARGEST_SHOWN]
        return [
            "The code package is %s large, and every pod of a run fetches it. Its largest files, before packing:" % _readable(size),
            *("%12s  %s" % (_readable(each), name) for name, each in largest if each * 100 >= largest[0][1]),
            "What no step needs can be left out: name it in a file %s, as in one of git's%s."
            % (IGNORE_FILE, ", or give fewer suffixes with --package-suffixes" if self._more_suffixes else ""),
        ]

    def show(self) -> str:
        """What is in it, for people."""
        notice = self.size_notice()
        return "\n".join(
            [
                "Package size: %s" % _readable(len(self.blob)),
                "Number of files: %d" % len(self.path_tuples()),
                "",
                "Metaflow version: %s" % METAFLOW_FULL_VERSION,
                "",
                "User code in flow flow %s:" % self._flow.name,
                "  - Packaged from directory %s" % self._directory,
                "  - Filtered by suffixes: %s" % ", ".join(self._suffixes),
                "  - Excluded directories: %s" % ", ".join(_EXCLUDED),
                *(["  - Ignore files: %s" % ", ".join(self._ignore_files)] if self._ignore_files else []),
                *([""] + notice if notice else []),
            ]
        )


def _script() -> str:
    import sys

    return sys.argv[0]


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError as e:
        raise MetaflowException(
            "The file %s cannot be added to the code package: %s. Make it readable, or name it in a file %s."
            % (path, e.strerror, IGNORE_FILE)
        ) from e


def _compiled_name(name: str) -> str:
    """`a/b.py` as Python looks for it: `a/__pycache__/b.cpython-311.pyc`."""
    folder, file = os.path.split(name)
    return "%s/__pycache__/%s.%s.pyc" % (folder, file[: -len(".py")], sys.implementation.cache_tag)


def _compiled(path: str, name: str) -> bytes:
    """The module as Python keeps it compiled, used without a look at its source (PEP 552): compiling takes longer than all else that a task
    does before its step. `name` stands for the machine's own path in it; the import puts the right one in its place.

    No references between objects (marshal, version 2), which would depend on what else this process has loaded.
    """
    import importlib.util
    import marshal
    from importlib.machinery import SourceFileLoader

    def moved(code: CodeType) -> CodeType:
        inner = tuple(moved(value) if isinstance(value, CodeType) else value for value in code.co_consts)
        return code.replace(co_filename=name, co_consts=inner)

    code = SourceFileLoader(name, path).get_code(name)
    assert isinstance(code, CodeType), path
    unchecked = (1).to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(_content(path)) + marshal.dumps(moved(code), 2)


def _readable(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            break
        size /= 1024
    return "%.2f %s" % (size, unit)
