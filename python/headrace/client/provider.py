"""A directory of metadata, as the client sees it: records by path, tags, filters.

The reading is the store process's; here is what Metaflow's metadata providers offer to the client and to tools.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, FrozenSet, Iterable, List, Optional, Tuple, Union

from headrace import copies
from headrace.client import store
from headrace.errors import MetaflowException, MetaflowInternalError, MetaflowTaggingError

Record = Dict[str, Any]

_ORDER = ("root", "flow", "run", "step", "task", "artifact", "metadata", "self")
_ATTEMPT_TAG = re.compile(r"attempt_id:([0-9]+)")
_DIRECTORIES = {"local": ".metaflow", "spin": ".metaflow_spin"}


class Provider:
    """Metadata below one directory.

    TYPE: `local` or `spin`. INFO: the directory that holds `.metaflow`. Made by `provider_for` and `default_provider`.
    """

    def __init__(self, kind: str, directory: Optional[str]) -> None:
        self.TYPE = kind
        self._name = _DIRECTORIES[kind]
        self._chosen = directory
        self._root: Optional[str] = None
        if directory is not None:
            root = os.path.realpath(os.path.join(directory, self._name))
            if not os.path.isdir(root):
                raise ValueError("Could not find directory %s in directory %s" % (self._name, directory))
            self._root = root

    @classmethod
    def at_root(cls, kind: str, root: str) -> "Provider":
        """The metadata in the directory `root` itself, whatever its name, as `--datastore-root` gives it."""
        provider = cls(kind, None)
        provider._root = root
        return provider

    @property
    def root(self) -> Optional[str]:
        """The `.metaflow` directory; None while there is none."""
        if self._root is None:
            self._root = _find_root(self.TYPE, self._name)
        return self._root

    @property
    def INFO(self) -> str:  # noqa: N802 - Metaflow's name
        if self._chosen is not None:
            return self._chosen
        if self.root is None:
            return "<No %s directory found in current working tree>" % self._name
        return os.path.dirname(self.root)

    def default_info(self) -> str:
        return Provider(self.TYPE, None).INFO

    def metadata_str(self) -> str:
        """Such as `local@/home/ann/project`."""
        return "%s@%s" % (self.TYPE, self.INFO)

    def get_object(
        self, obj_type: str, sub_type: str, filters: Optional[Dict[str, str]], attempt: Optional[int], *args: str
    ) -> Union[None, Record, List[Record]]:
        """Records of the store, by Metaflow's terms.

        obj_type, args: what is looked at, and its path. sub_type: `self`, `metadata` (of a task), or the kind of the
        objects below. filters: `any_tags`, `tags`, `system_tags`; each must be among the record's.
        attempt: of artifacts and metadata; default the last one done, and all.
        """
        if obj_type not in _ORDER[:6] or sub_type not in _ORDER:
            raise MetaflowInternalError(msg="Cannot look for %s of %s" % (sub_type, obj_type))
        depth = _ORDER.index(obj_type)
        if depth >= _ORDER.index(sub_type):
            raise MetaflowInternalError(msg="Subtype %s not allowed for %s" % (sub_type, obj_type))
        if sub_type == "metadata" and obj_type != "task":
            raise MetaflowInternalError(msg="Metadata can only be retrieved at the task level")
        if self.root is None:
            return None if sub_type == "self" else []
        path = list(args[:depth])
        if sub_type == "metadata":
            records = store.task_metadata(self.root, path)
            return records if attempt is None else records_of_attempt(records, attempt)
        if sub_type == "self":
            # Attempts are of artifacts alone; a task's own record has none.
            record = store.get_object(self.root, path, attempt if obj_type == "artifact" else None)
            return self._with_tags([record], path)[0] if record else None
        return _filtered(self._below(path, depth, _ORDER.index(sub_type), attempt), filters)

    def _below(self, path: List[str], depth: int, wanted: int, attempt: Optional[int]) -> List[Record]:
        records = store.list_objects(self.root or "", path, attempt if wanted == 5 else None)
        records = self._with_tags(records, path) if depth >= 2 else records
        if depth + 1 == wanted:
            return records
        key = ("flow_id", "run_number", "step_name", "task_id", "name")[depth]
        found: List[Record] = []
        for record in records:
            found.extend(self._below(path + [str(record[key])], depth + 1, wanted, attempt))
        return found

    def _with_tags(self, records: List[Record], path: List[str]) -> List[Record]:
        """Below a run the tags that count are those of the run."""
        if len(path) < 2 or not records or (len(path) == 2 and "step_name" not in records[0]):
            return records
        run = store.get_object(self.root or "", path[:2])
        if not run:
            raise MetaflowInternalError(msg="Could not find run %s" % "/".join(path[:2]))
        for record in records:
            record["tags"] = run.get("tags", [])
            record["system_tags"] = run.get("system_tags", [])
        return records

    def filter_tasks_by_metadata(
        self, flow_name: str, run_id: str, step_name: str, field_name: str, pattern: str
    ) -> List[str]:
        """Pathspecs of a step's tasks with a metadata value of `field_name` that begins with `pattern`, a regex."""
        regex = re.compile(pattern)
        found = []
        for task in store.list_objects(self.root or "", [flow_name, run_id, step_name]) if self.root else []:
            path = [flow_name, run_id, step_name, str(task["task_id"])]
            if pattern == ".*" or any(
                record.get("field_name") == field_name and regex.match(str(record.get("value", "")))
                for record in store.task_metadata(self.root or "", path)
            ):
                found.append("/".join(path))
        return found

    def mutate_user_tags_for_run(
        self,
        flow_id: str,
        run_id: str,
        tags_to_remove: Optional[Iterable[str]] = None,
        tags_to_add: Optional[Iterable[str]] = None,
    ) -> FrozenSet[str]:
        """Removes tags of a run, then adds some, at once; the user tags it has now.

        Raises MetaflowTaggingError: neither given, not iterables of str, a system tag removed, an ill-formed tag, or
        more than 50 tags.
        """
        from headrace.tags import validate_tag, validate_tags

        remove = _tag_list("tags_to_remove", tags_to_remove)
        add = _tag_list("tags_to_add", tags_to_add)
        if not add and not remove:
            raise MetaflowTaggingError("Must add or remove at least one tag")
        for tag in add + remove:
            validate_tag(tag)
        run = store.get_object(self.root, [flow_id, run_id]) if self.root else None
        if not run:
            raise MetaflowTaggingError(msg="Run not found (%s, %s)" % (flow_id, run_id))
        present, system = frozenset(run.get("tags") or ()), frozenset(run.get("system_tags") or ())
        if system & frozenset(remove):
            raise MetaflowTaggingError(
                msg="Cannot remove a tag that is an existing system tag (%s)" % sorted(system & frozenset(remove))
            )
        wanted = (present - frozenset(remove)) | (frozenset(add) - system)
        validate_tags(wanted, existing_tags=present)
        record = store.change_tags(
            self.root or "", [flow_id, run_id], add=frozenset(add) - system, remove=frozenset(remove)
        )
        return frozenset(record.get("tags") or ())


def provider_for(spec: str) -> Provider:
    """The metadata `spec` names: `TYPE@INFO`, `TYPE`, a path, or a URL. Raises ValueError if it is not there."""
    kind, _, info = spec.partition("@")
    if kind == "service" or (kind not in _DIRECTORIES and spec.startswith("http")):
        raise MetaflowException(
            "The metadata service is not supported: %s was asked for. Metadata is kept in a directory; "
            "use metadata('local@DIR'), where DIR holds the .metaflow directory." % spec
        )
    if kind in _DIRECTORIES:
        return Provider(kind, info or None)
    return Provider("local", spec)


def default_provider() -> Provider:
    """That of the run this process works for, else the configured one."""
    from headrace.current import current

    mine = getattr(current, "_metadata_str", None)
    if mine:
        return provider_for(mine)
    from headrace import settings

    return provider_for(settings.DEFAULT_METADATA)


def records_of_attempt(records: List[Record], attempt: int) -> List[Record]:
    """The metadata of one attempt: by its `attempt_id:N` tag, or, where records lack that, by the time it ran."""
    begun: Dict[int, int] = {}
    chosen: List[Record] = []
    all_marked = True
    for record in records:
        if record["field_name"] == "attempt":
            begun[int(record["value"])] = record["ts_epoch"]
        marks = [match for match in map(_ATTEMPT_TAG.match, record.get("tags") or ()) if match]
        if not marks:
            all_marked = False
        elif int(marks[0].group(1)) == attempt:
            chosen.append(record)
    if all_marked:
        return chosen
    if attempt not in begun:
        return []
    until = begun.get(attempt + 1, float("inf"))
    return [record for record in records if begun[attempt] <= record["ts_epoch"] < until]


def _filtered(records: List[Record], filters: Optional[Dict[str, str]]) -> List[Record]:
    for key, value in (filters or {}).items():
        fields: Tuple[str, ...] = ("tags", "system_tags") if key == "any_tags" else (key,)
        records = [r for r in records if any(value in (r.get(field) or ()) for field in fields)]
    return records


def _tag_list(what: str, tags: Optional[Iterable[str]]) -> List[str]:
    if isinstance(tags, (str, bytes)):
        raise MetaflowTaggingError("%s may not be a string" % what)
    try:
        return list(tags or ())
    except TypeError:
        raise MetaflowTaggingError("%s must be iterable" % what) from None


def _find_root(kind: str, name: str) -> Optional[str]:
    """The datastore directory this process uses: as configured, else in the nearest parent that has one."""
    from headrace import settings

    configured = getattr(settings, "DATASTORE_SYSROOT_%s" % kind.upper())
    if configured:
        return os.path.join(configured, name)
    found = settings.find_upwards(name)
    if found is None and kind == "local" and copies.place():
        # Where `run` would make it: for the runs that are in the bucket only.
        return os.path.join(os.getcwd(), name)
    return found
