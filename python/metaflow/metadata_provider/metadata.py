"""`metaflow.metadata_provider.metadata`: Records about tasks."""

from headrace.metadatum import MetaDatum  # noqa: F401
from headrace.storage_face import DataArtifact, MetadataProvider, ObjectOrder  # noqa: F401
