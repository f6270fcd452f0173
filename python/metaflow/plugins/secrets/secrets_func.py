"""`metaflow.plugins.secrets.secrets_func`: Secrets without the decorator."""

from headrace.decorators.secrets import get_secret  # noqa: F401
