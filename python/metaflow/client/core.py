"""`metaflow.client.core`: Runs and what they stored."""

from headrace.client import (  # noqa: F401
    DataArtifact,
    Flow,
    Metadata,
    Metaflow,
    MetaflowCode,
    MetaflowData,
    MetaflowObject,
    Run,
    Step,
    Task,
    default_metadata,
    default_namespace,
    get_metadata,
    get_namespace,
    inspect_spin,
    metadata,
    namespace,
)
from headrace.client.base import _CLASSES  # noqa: F401
from headrace.client.trigger import MetaflowEvent, Trigger  # noqa: F401
from headrace.errors import (  # noqa: F401
    MetaflowInternalError,
    MetaflowInvalidPathspec,
    MetaflowNamespaceMismatch,
    MetaflowNotFound,
)


def __getattr__(name: str) -> object:
    if name in ("current_metadata", "current_namespace"):
        from headrace.client import state

        value: object = getattr(state, name)
        return value
    raise AttributeError("module 'metaflow.client.core' has no attribute '%s'" % name)
