"""`metaflow.datastore`: What the datastore raises, and the inputs of joins."""

from headrace.inputs import Inputs  # noqa: F401
