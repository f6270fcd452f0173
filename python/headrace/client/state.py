"""What the client of this process looks at: the namespace and the metadata.

Both are set once for the whole process by `namespace()` and `metadata()`; objects remember those of their creation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional, Union

if TYPE_CHECKING:
    from headrace.client.provider import Provider

#: False: not chosen yet; the first use takes the default.
current_namespace: Union[None, bool, str] = False
current_metadata: Union[bool, Any] = False


def namespace(ns: Optional[str]) -> Optional[str]:
    """Looks at the runs that carry the tag `ns` only; None: at all. Returns it."""
    global current_namespace
    current_namespace = ns
    return get_namespace()


def get_namespace() -> Optional[str]:
    """The namespace in use; the first call sets that of the run this process works for, else the default one."""
    global current_namespace
    if current_namespace is False:
        from headrace.current import current

        of_run = current._client_namespace if current.is_running_flow else None
        if of_run is None:
            default_namespace()
        else:
            # `run --namespace=` looks at everything.
            current_namespace = of_run or None
    return current_namespace  # type: ignore[return-value]


def default_namespace() -> str:
    """Back to `user:<name>`, or `production:<token>` where METAFLOW_PRODUCTION_TOKEN is set.

    Raises MetaflowUnknownUser if there is no user name.
    """
    global current_namespace
    from headrace.identity import resolve_identity

    current_namespace = resolve_identity()
    return current_namespace


def metadata(ms: str) -> str:
    """Reads the metadata at `ms` from now on; returns its description.

    ms: `local@DIR` or a path (DIR holds the `.metaflow` directory), or `spin@DIR`.
    Raises ValueError if there is no such directory.
    """
    global current_metadata
    from headrace.client.provider import provider_for

    current_metadata = provider_for(ms)
    return get_metadata()


def get_metadata() -> str:
    """Which metadata is read, such as `local@/home/ann/project`."""
    return current_provider().metadata_str()


def default_metadata() -> str:
    """Back to the metadata of the run this process works for, else the configured one. Returns its description."""
    global current_metadata
    from headrace.client.provider import default_provider

    current_metadata = default_provider()
    return get_metadata()


def use_root(kind: str, root: str) -> None:
    """Reads the metadata in the directory `root` itself from now on, whatever its name. kind: `local` or `spin`."""
    global current_metadata
    from headrace.client.provider import Provider

    current_metadata = Provider.at_root(kind, root)


def current_provider() -> "Provider":
    """The metadata in use; the first call sets the default one."""
    if current_metadata is False:
        default_metadata()
    return current_metadata  # type: ignore[return-value]


def inspect_spin(datastore_root: str = ".") -> None:
    """Looks at what `spin` left below `datastore_root`, until `default_metadata()`."""
    metadata("spin@%s" % datastore_root)
