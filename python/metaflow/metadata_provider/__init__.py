"""`metaflow.metadata_provider`: Records about tasks."""

from headrace.metadatum import MetaDatum  # noqa: F401
from headrace.storage_face import MetadataProvider  # noqa: F401
