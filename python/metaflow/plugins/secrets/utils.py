"""`metaflow.plugins.secrets.utils`: Checks of secrets."""

from headrace.decorators.secrets import (  # noqa: F401
    get_default_secrets_backend_type,
    get_secrets_backend_provider,
    validate_env_vars,
    validate_env_vars_across_secrets,
    validate_env_vars_vs_existing_env,
)

#: Variables that no secret may set begin so.
DISALLOWED_SECRETS_ENV_VAR_PREFIXES = ["METAFLOW_"]
