"""`metaflow.tagging_util`: Checks of tags."""

from headrace.tags import *  # noqa: F401,F403
