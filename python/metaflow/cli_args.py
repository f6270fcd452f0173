"""`metaflow.cli_args`: command lines of steps."""

from headrace.command_lines import CLIArgs, cli_args  # noqa: F401
