"""`metaflow.cmd_with_io`: Runs a command with inputs and outputs."""

from headrace.cmd_with_io import cmd  # noqa: F401
