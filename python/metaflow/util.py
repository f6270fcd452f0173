"""`metaflow.util`: small functions that flows and extensions use."""

from __future__ import annotations

import os
import sys
from typing import Any, Iterable, Iterator, List, Optional, Tuple

from headrace.command_lines import dict_to_cli_options  # noqa: F401
from headrace.face import metaflow_root as get_metaflow_root  # noqa: F401
from headrace.graph_export import to_pod  # noqa: F401
from headrace.identity import get_username, resolve_identity, resolve_identity_as_tuple  # noqa: F401

unicode_type = str
bytes_type = bytes


class TempDir:
    """A temporary directory that is removed at the end of the block."""

    def __enter__(self) -> str:
        import tempfile

        self.name = tempfile.mkdtemp()
        return self.name

    def __exit__(self, *exc: Any) -> None:
        import shutil

        shutil.rmtree(self.name)


def cached_property(getter: Any) -> property:
    """A property that is computed once an object."""
    saved = "__%s" % getter.__name__

    def once(self: Any) -> Any:
        if not hasattr(self, saved):
            setattr(self, saved, getter(self))
        return getattr(self, saved)

    return property(once, doc=getter.__doc__)


def all_equal(it: Iterable[Any]) -> bool:
    """Whether all items are equal."""
    items = list(it)
    return all(item == items[0] for item in items)


def is_stringish(x: Any) -> bool:
    """Whether it is text or bytes."""
    return isinstance(x, (str, bytes))


def to_unicode(x: Any) -> str:
    """As text; bytes are UTF-8."""
    return x.decode("utf-8") if isinstance(x, bytes) else str(x)


def to_bytes(x: Any) -> bytes:
    """As bytes, text as UTF-8."""
    return x if isinstance(x, bytes) else (repr(x) if isinstance(x, float) else str(x)).encode("utf-8")


def to_fileobj(x: Any) -> Any:
    """A file of bytes."""
    from io import BytesIO

    return BytesIO(to_bytes(x))


def url_quote(url: Any) -> bytes:
    """An address as safe bytes."""
    from urllib.parse import quote

    return to_bytes(quote(to_bytes(url), safe="/:"))


def url_unquote(url_bytes: Any) -> str:
    """Undoes `url_quote`."""
    from urllib.parse import unquote

    return unquote(to_unicode(url_bytes))


def longest_common_prefix(lst: List[str]) -> str:
    """What all begin with."""
    return os.path.commonprefix(lst)


def compress_list(lst: List[str], separator: str = ",", rangedelim: str = ":", zlibmarker: str = "!",
                  zlibmin: int = 500) -> str:
    """A list of texts as one short text. MetaflowInternalError if an item holds a delimiter."""
    from headrace.errors import MetaflowInternalError

    for item in lst:
        if any(mark in item for mark in (separator, rangedelim, zlibmarker)):
            raise MetaflowInternalError("Item '%s' includes a delimiter character so it can't be compressed" % item)
    prefix = longest_common_prefix(lst)
    text = separator.join(lst)
    if len(lst) > 1 and prefix:
        text = prefix + rangedelim + separator.join(item[len(prefix):] for item in lst)
    if len(text) < zlibmin:
        return text
    import base64
    import zlib

    return zlibmarker + base64.b64encode(zlib.compress(zlib.compress(text.encode("utf-8")))).decode("ascii")


def decompress_list(lststr: str, separator: str = ",", rangedelim: str = ":", zlibmarker: str = "!") -> List[str]:
    """Undoes `compress_list`."""
    if lststr[:1] == zlibmarker:
        import base64
        import zlib

        lststr = zlib.decompress(zlib.decompress(base64.b64decode(lststr[1:]))).decode("utf-8")
    prefix, mark, suffixes = lststr.partition(rangedelim)
    return [prefix + suffix for suffix in suffixes.split(separator)] if mark else lststr.split(separator)


def get_latest_run_id(echo: Any, flow_name: str) -> Optional[str]:
    """The id of the flow's newest run on this machine, None if there is none. echo: not used."""
    from headrace.client.state import current_provider
    from headrace.client.store import latest_run

    root = current_provider().root
    return latest_run(root, flow_name) if root else None


def get_object_package_version(obj: Any) -> Tuple[Optional[str], Optional[str]]:
    """Name and version of the package that defines an object's class."""
    name = type(obj).__module__.split(".")[0]
    return name, getattr(sys.modules.get(name), "__version__", None)


def which(cmd: str, mode: int = os.F_OK | os.X_OK, path: Optional[str] = None) -> Optional[str]:
    """Where a program is."""
    from shutil import which as find

    return find(cmd, mode, path)


def _convert_keys(obj: Any, convert: Any) -> Any:
    if isinstance(obj, dict):
        result = obj.__class__()
        for key, value in obj.items():
            result[convert(key)] = _convert_keys(value, convert)
        return result
    if isinstance(obj, (list, set, tuple)):
        return obj.__class__(_convert_keys(item, convert) for item in obj)
    return obj


def to_camelcase(obj: Any) -> Any:
    """Keys of dicts, to any depth, from snake_case to camelCase."""
    import re

    return _convert_keys(obj, lambda key: re.sub(r"(?!^)_([a-zA-Z])", lambda m: m.group(1).upper(), key))


def to_pascalcase(obj: Any) -> Any:
    """Keys of dicts, to any depth, with a capital."""
    import re

    return _convert_keys(obj, lambda key: re.sub("([a-zA-Z])", lambda m: m.group(1).upper(), key, count=1))


def tar_safe_extract(tar: Any, path: str = ".", members: Any = None, *, numeric_owner: bool = False) -> None:
    """Extracts an archive unless a member would land outside `path`."""
    root = os.path.abspath(path)
    for member in tar.getmembers():
        target = os.path.abspath(os.path.join(path, member.name))
        if os.path.commonpath([root, target]) != root:
            raise Exception("Attempted path traversal in TAR file")
    tar.extractall(path, members, numeric_owner=numeric_owner)


def walk_without_cycles(top_root: str, exclude_dirs: Optional[List[str]] = None) -> Iterator[Tuple[str, List[str], List[str]]]:
    """As `os.walk`, with symbolic links to folders; none is followed below itself. `__pycache__` is left out.

    exclude_dirs: names of folders that are left out, but for folders that are reached through a link.
    """
    skipped = {"__pycache__"}

    def walk(root: str, skip: "set[str]", seen: "frozenset[str]") -> Iterator[Tuple[str, List[str], List[str]]]:
        for parent, folders, files in os.walk(root):
            folders[:] = [name for name in folders if name not in skip]
            for name in folders:
                path = os.path.join(parent, name)
                if os.path.islink(path) and os.path.realpath(path) not in seen:
                    yield from walk(path, skipped, seen | {os.path.realpath(path)})
            yield parent, folders, files

    yield from walk(top_root, skipped | set(exclude_dirs or ()), frozenset())


def unquote_bytes(x: Any) -> str:
    """Undoes percent quoting of text or bytes."""
    from urllib.parse import unquote

    return unquote(to_unicode(x))


def parse_spin_pathspec(pathspec: str, flow_name: str) -> Tuple[str, Optional[str]]:
    """What `spin` takes, from `STEP` to `FLOW/RUN/STEP/TASK`: the step, and the whole pathspec or None.

    CommandException if it has another form or names another flow.
    """
    from headrace.errors import CommandException

    parts = pathspec.split("/")
    if len(parts) == 4 and parts[0] != flow_name:
        raise CommandException("Flow name '%s' in pathspec does not match current flow '%s'." % (parts[0], flow_name))
    if len(parts) > 4:
        forms = ("step_name (e.g., 'start')", "run_id/step_name (e.g., '221165/start')",
                 "run_id/step_name/task_id (e.g., '221165/start/1350987')",
                 "flow_name/run_id/step_name (e.g., 'ScalableFlow/221165/start')",
                 "flow_name/run_id/step_name/task_id (e.g., 'ScalableFlow/221165/start/1350987')")
        raise CommandException("Invalid pathspec format: '%s'. \nExpected formats:\n%s"
                               % (pathspec, "\n".join("  - " + form for form in forms)))
    if len(parts) == 1:
        return pathspec, None
    if len(parts) == 4 or (len(parts) == 3 and parts[0] == flow_name):
        return parts[2], pathspec
    return parts[1], "/".join([flow_name] + parts)


def get_latest_task_pathspec(flow_name: str, step_name: str, run_id: Optional[str] = None) -> Any:
    """A Task of the step in that run, by default in the newest one. MetaflowNotFound if there is none."""
    from headrace.client import Flow, Step
    from headrace.errors import MetaflowNotFound

    if not run_id:
        run = Flow(flow_name).latest_run
        if run is None:
            raise MetaflowNotFound("No run found for flow %s" % flow_name)
        run_id = run.id
    try:
        task = Step("%s/%s/%s" % (flow_name, run_id, step_name)).task
    except MetaflowNotFound:
        task = None
    if task is None:
        raise MetaflowNotFound("No task found for step %s in run %s" % (step_name, run_id))
    return task


def write_latest_run_id(obj: Any, run_id: str) -> None:
    """Refused: the engine records which run is the newest."""
    from headrace.errors import MetaflowException

    raise MetaflowException("write_latest_run_id(): the id of the latest run is recorded by `run` and `resume` alone.")


def read_artifacts_module(file_path: str) -> Any:
    """`ARTIFACTS` of a Python file. MetaflowInternalError if it cannot be imported or has none."""
    from importlib.util import module_from_spec, spec_from_file_location

    from headrace.errors import MetaflowInternalError

    try:
        spec = spec_from_file_location(os.path.splitext(os.path.basename(file_path))[0], file_path)
        module = module_from_spec(spec)  # type: ignore[arg-type]
        spec.loader.exec_module(module)  # type: ignore[union-attr]
        return vars(module)["ARTIFACTS"]
    except Exception as error:
        raise MetaflowInternalError("Error reading file %s" % file_path) from error


def __getattr__(name: str) -> Any:
    if name == "Path":
        from pathlib import Path

        return Path
    raise AttributeError("module 'metaflow.util' has no attribute '%s'" % name)
