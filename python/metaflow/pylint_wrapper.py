"""`metaflow.pylint_wrapper`: What pylint's findings raise."""

from headrace.errors import PyLintWarn  # noqa: F401
