"""`metaflow.plugins.metadata_providers.local`: Metadata in a directory."""

from headrace.storage_face import LocalMetadataProvider  # noqa: F401
