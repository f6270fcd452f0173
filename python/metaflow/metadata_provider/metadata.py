"""`metaflow.metadata_provider.metadata`: Records about tasks."""

from headrace.metadatum import MetaDatum  # noqa: F401
