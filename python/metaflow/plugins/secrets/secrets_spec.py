"""`metaflow.plugins.secrets.secrets_spec`: A source of secrets."""

from headrace.decorators.secrets import SecretSpec, get_default_secrets_backend_type  # noqa: F401
