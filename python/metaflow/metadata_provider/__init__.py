"""`metaflow.metadata_provider`: Records about tasks."""

from headrace.metadatum import MetaDatum  # noqa: F401
