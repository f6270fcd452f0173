"""`metaflow.plugins.pypi.parsers`: Parsers of lists of packages."""

from headrace.parsers import (  # noqa: F401
    ParserValueError,
    conda_environment_yml_parser,
    pyproject_toml_parser,
    requirements_txt_parser,
)
