"""`metaflow.includefile`: Files as parameters."""

from headrace.includefile import IncludedFile, IncludeFile  # noqa: F401
