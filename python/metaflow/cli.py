"""`metaflow.cli`: the command line of a flow."""

from headrace.cli import main  # noqa: F401
