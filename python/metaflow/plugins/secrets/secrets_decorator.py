"""`metaflow.plugins.secrets.secrets_decorator`: `@secrets`."""

from headrace.decorators.secrets import SecretsDecorator  # noqa: F401
