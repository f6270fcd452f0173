"""`metaflow.metaflow_version`: the version."""

from headrace._version import METAFLOW_FULL_VERSION, METAFLOW_VERSION


def get_version(public: bool = False) -> str:
    """The version of Metaflow that is followed; with a local part for Headrace unless `public`."""
    return METAFLOW_VERSION if public else METAFLOW_FULL_VERSION
