"""`python -m metaflow`: the command `metaflow`."""

from headrace.cli.tool import start

start(prog_name="metaflow")
