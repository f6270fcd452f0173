"""`metaflow.client`: Runs and what they stored."""

from .core import (  # noqa: F401
    DataArtifact,
    Flow,
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
