"""`metaflow.includefile`: files as parameters."""

from headrace.absent import getattr_of
from headrace.includefile import FilePathClass, IncludedFile, IncludeFile  # noqa: F401

__getattr__ = getattr_of(__name__)
