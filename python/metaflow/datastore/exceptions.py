"""`metaflow.datastore.exceptions`: What the datastore raises."""

from headrace.errors import DataException, UnpicklableArtifactException  # noqa: F401
