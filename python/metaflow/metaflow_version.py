"""`metaflow.metaflow_version`: the version."""

from headrace._version import METAFLOW_FULL_VERSION, METAFLOW_VERSION


def get_version(public: bool = False) -> str:
    """The version of Metaflow that is followed; with a local part for Headrace unless `public`."""
    return METAFLOW_VERSION if public else METAFLOW_FULL_VERSION


def make_public_version(version_string: str) -> str:
    """A version without its local part and without the marks of a git checkout (`-git<hash>`, `-dirty`)."""
    import re

    return re.sub(r"(?:-git[0-9a-f]+)?(?:-dirty)?$", "", version_string.partition("+")[0])
