"""`metaflow.version`: The version of Metaflow whose language is followed."""

from headrace._version import METAFLOW_VERSION as metaflow_version  # noqa: F401
