"""`metaflow.plugins.secrets`: `@secrets`."""

from headrace.decorators.secrets import get_secret  # noqa: F401
from headrace.face import SecretsProvider  # noqa: F401
