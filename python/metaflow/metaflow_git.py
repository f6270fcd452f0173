"""`metaflow.metaflow_git`: Where a flow's source comes from."""

from headrace.gitinfo import *  # noqa: F401,F403
