"""`metaflow.plugins.secrets.inline_secrets_provider`: Secrets that stand in the source."""

from headrace.decorators.secrets import InlineSecretsProvider  # noqa: F401
