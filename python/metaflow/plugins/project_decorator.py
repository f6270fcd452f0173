"""`metaflow.plugins.project_decorator`: `@project`."""

from headrace.decorators.project import VALID_NAME_LEN, VALID_NAME_RE, ProjectDecorator, format_name  # noqa: F401
