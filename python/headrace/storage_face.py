"""`LocalStorage` and `LocalMetadataProvider`, as tools use them: to find a datastore and to read its records.

The engine writes and reads datastores; what would change one here is refused.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from .errors import MetaflowException


class CloseAfterUse:
    """`with CloseAfterUse(data, closer) as data`: `closer` is closed at the end."""

    def __init__(self, data: Any, closer: Any = None) -> None:
        self.data = data
        self._closer = closer

    def __enter__(self) -> Any:
        return self.data

    def __exit__(self, *exc: Any) -> None:
        if self._closer:
            self._closer.close()


class ListedPath(NamedTuple):
    path: str
    is_file: bool


class DataStoreStorage:
    """Where a datastore lies. Reading and writing its files is the engine's work and refused here."""

    TYPE: Optional[str] = None
    datastore_root: Optional[str] = None
    list_content_result = ListedPath

    def __init__(self, root: Optional[str] = None) -> None:
        self.datastore_root = root or self.datastore_root

    @classmethod
    def path_join(cls, *components: str) -> str:
        """Parts of a path with `/` between them."""
        return "/".join(components)

    @classmethod
    def path_split(cls, path: str) -> List[str]:
        return path.split("/")

    @classmethod
    def basename(cls, path: str) -> str:
        return path.split("/")[-1]

    @classmethod
    def dirname(cls, path: str) -> str:
        return path.rsplit("/", 1)[0]

    def full_uri(self, path: str) -> str:
        """The path below the datastore's root."""
        return self.path_join(self.datastore_root or "", path)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise MetaflowException(
            "%s: files of a datastore are read and written by Headrace's engine alone. Use the Client (`metaflow.Run`), or "
            "open the files as docs/formats/datastore.md describes them." % type(self).__name__
        )

    is_file = info_file = size_file = list_content = save_bytes = load_bytes = _refuse


class LocalStorage(DataStoreStorage):
    """A datastore in a directory."""

    TYPE = "local"
    METADATA_DIR = "_meta"
    DATASTORE_DIR = ".metaflow"

    @classmethod
    def get_datastore_root_from_config(cls, echo: Callable[..., Any], create_on_absent: bool = True) -> Optional[str]:
        """The configured directory, else the nearest above, else a new one here; None without `create_on_absent`."""
        from . import settings

        configured = settings.DATASTORE_SYSROOT_LOCAL
        root = os.path.join(configured, cls.DATASTORE_DIR) if configured else settings.find_upwards(cls.DATASTORE_DIR)
        if root is None and create_on_absent:
            root = os.path.realpath(os.path.join(os.getcwd(), cls.DATASTORE_DIR))
            echo("Creating %s datastore in current directory (%s)" % (cls.TYPE, root))
            os.makedirs(root, exist_ok=True)
        return root


class ObjectOrder:
    """Kinds of records, from the widest to the narrowest."""

    _KINDS = ("root", "flow", "run", "step", "task", "artifact", "metadata", "self")

    @staticmethod
    def order_to_type(order: int) -> Optional[str]:
        return ObjectOrder._KINDS[order] if order < len(ObjectOrder._KINDS) else None

    @staticmethod
    def type_to_order(obj_type: str) -> Optional[int]:
        return ObjectOrder._KINDS.index(obj_type) if obj_type in ObjectOrder._KINDS else None


class DataArtifact(NamedTuple):
    """The record of an artifact."""

    name: str
    ds_type: str
    ds_root: str
    url: str
    type: str
    sha: str


class MetadataProvider:
    """Base of metadata providers. What reads works on a directory; what registers is the engine's work and refused."""

    TYPE: Optional[str] = None

    def __init__(self, environment: Any = None, flow: Any = None, event_logger: Any = None, monitor: Any = None) -> None:
        self._environment, self._flow = environment, flow

    @classmethod
    def metadata_str(cls) -> str:
        return "%s@%s" % (cls.TYPE, cls.default_info())

    @classmethod
    def default_info(cls) -> str:
        raise NotImplementedError()

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise MetaflowException(
            "%s: runs, tasks and their metadata are recorded by Headrace's engine alone, when a flow runs."
            % type(self).__name__
        )

    new_run_id = register_run_id = new_task_id = register_task_id = _refuse
    register_data_artifacts = register_metadata = start_run_heartbeat = start_task_heartbeat = _refuse


class LocalMetadataProvider(MetadataProvider):
    """Metadata in a directory."""

    TYPE = "local"
    DATASTORE_DIR = ".metaflow"

    @classmethod
    def _provider(cls) -> Any:
        from .client.provider import Provider

        return Provider(str(cls.TYPE), None)

    @classmethod
    def compute_info(cls, val: str) -> str:
        """`val`, if it holds a datastore. ValueError if not."""
        if not os.path.isdir(os.path.realpath(os.path.join(val, cls.DATASTORE_DIR))):
            raise ValueError("Could not find directory %s in directory %s" % (cls.DATASTORE_DIR, val))
        return val

    @classmethod
    def default_info(cls) -> str:
        return str(cls._provider().INFO)

    def version(self) -> str:
        return str(self.TYPE)

    @classmethod
    def get_object(cls, obj_type: str, sub_type: str, filters: Optional[Dict[str, str]], attempt: Optional[int],
                   *args: str) -> Any:
        """Records: see `headrace.client.provider.Provider.get_object`."""
        return cls._provider().get_object(obj_type, sub_type, filters, attempt, *args)

    @classmethod
    def mutate_user_tags_for_run(cls, flow_id: str, run_id: str, tags_to_remove: Any = None, tags_to_add: Any = None) -> Any:
        return cls._provider().mutate_user_tags_for_run(flow_id, run_id, tags_to_remove, tags_to_add)

    @classmethod
    def filter_tasks_by_metadata(cls, flow_name: str, run_id: str, step_name: str, field_name: str, pattern: str) -> List[str]:
        found: List[str] = cls._provider().filter_tasks_by_metadata(flow_name, run_id, step_name, field_name, pattern)
        return found

    @classmethod
    def _deduce_run_id_from_meta_dir(cls, meta_dir_path: str, sub_type: str) -> Optional[str]:
        """The run in the path of a `_meta` directory of something at or below a run; None for a flow."""
        from .errors import MetaflowInternalError

        levels = (ObjectOrder.type_to_order(sub_type) or 0) - 2
        if levels < 0:
            return None
        parts = meta_dir_path.split("/")[: -1 - levels]
        if not parts or not parts[-1]:
            raise MetaflowInternalError("Failed to deduce run_id from meta dir %s" % meta_dir_path)
        return parts[-1]


class SpinMetadataProvider(LocalMetadataProvider):
    """Metadata of spun steps."""

    TYPE = "spin"
    DATASTORE_DIR = ".metaflow_spin"


CloseAfterUse.__module__ = DataStoreStorage.__module__ = "metaflow.datastore.datastore_storage"
LocalStorage.__module__ = "metaflow.plugins.datastores.local_storage"
MetadataProvider.__module__ = DataArtifact.__module__ = ObjectOrder.__module__ = "metaflow.metadata_provider.metadata"
LocalMetadataProvider.__module__ = "metaflow.plugins.metadata_providers.local"
SpinMetadataProvider.__module__ = "metaflow.plugins.metadata_providers.spin"
