"""`metaflow.plugins.parsers`: Parsers of configs."""

from headrace.parsers import yaml_parser  # noqa: F401
