"""`metaflow.cmd`: the command `metaflow`."""
