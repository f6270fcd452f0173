"""`metaflow.lint`: Checks of a flow's graph."""

from headrace.errors import LintWarn  # noqa: F401
from headrace.lint import *  # noqa: F401,F403
