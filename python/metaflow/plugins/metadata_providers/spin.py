"""`metaflow.plugins.metadata_providers.spin`: Metadata of spun steps."""

from headrace.storage_face import SpinMetadataProvider  # noqa: F401
