"""`metaflow.datastore.inputs`: Inputs of a join."""

from headrace.inputs import Inputs  # noqa: F401
