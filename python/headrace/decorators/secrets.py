"""`@secrets`: environment variables fetched from a secrets backend before a step."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional, Tuple, Union

from ..errors import MetaflowException
from .base import StepDecorator

#: Backends that are known; only `inline` works without a cloud client.
BACKENDS = ("inline", "aws-secrets-manager", "gcp-secret-manager", "az-key-vault")

_RESERVED_PREFIX = "METAFLOW_"


class SecretSpec:
    """One source of secrets: backend, id, options, role."""

    def __init__(self, secrets_backend_type: str, secret_id: str, options: Any = None, role: Any = None) -> None:
        self.secrets_backend_type = secrets_backend_type
        self.secret_id = secret_id
        self.options: Dict[str, Any] = options or {}
        self.role = role

    def to_json(self) -> Dict[str, Any]:
        """The four parts, by name."""
        return {
            "secrets_backend_type": self.secrets_backend_type,
            "secret_id": self.secret_id,
            "options": self.options,
            "role": self.role,
        }

    def __str__(self) -> str:
        return "%s (%s)" % (self.secret_id, self.secrets_backend_type)

    @staticmethod
    def secret_spec_from_str(secret_spec_str: str, role: Optional[str]) -> "SecretSpec":
        """`backend.id`, split at the first period; without one the default backend."""
        backend, period, secret_id = secret_spec_str.partition(".")
        if not period:
            return SecretSpec(get_default_secrets_backend_type(), secret_spec_str, {}, role)
        return SecretSpec(backend, secret_id, {}, role)

    @staticmethod
    def secret_spec_from_dict(secret_spec_dict: Dict[str, Any], role: Optional[str]) -> "SecretSpec":
        """`{"type", "id", "options", "role"}`; all but `id` may be absent."""

        def part(name: str, kind: type, said: str, called: str, default: Any) -> Any:
            value = secret_spec_dict.get(name, default)
            if not isinstance(value, kind):
                raise MetaflowException(
                    "Bad @secrets specification - '%s' must be a %s - found %s" % (called, said, type(value))
                )
            return value

        if "type" in secret_spec_dict:
            backend = part("type", str, "string", "type", None)
        else:
            backend = get_default_secrets_backend_type()
        secret_id = part("id", str, "string", "id", None)
        options = part("options", dict, "dict", "option", {})
        if secret_spec_dict.get("role") is not None:
            role = part("role", str, "str", "role", None)
        return SecretSpec(backend, secret_id, options, role)


def get_default_secrets_backend_type() -> str:
    """The configured backend of sources that name none. MetaflowException if none is configured."""
    from .. import settings

    backend: Optional[str] = settings.DEFAULT_SECRETS_BACKEND_TYPE
    if backend is None:
        raise MetaflowException(
            "No default secrets backend type configured, but needed by @secrets. Set "
            "METAFLOW_DEFAULT_SECRETS_BACKEND_TYPE."
        )
    return backend


class InlineSecretsProvider:
    """Secrets that stand in the source itself, for tests."""

    TYPE = "inline"

    def get_secret_as_dict(self, secret_id: str, options: Any = None, role: Any = None) -> Dict[str, str]:
        found: Dict[str, str] = (options or {}).get("env_vars", {})
        return found


class _CloudSecretsProvider:
    """A backend that this version cannot ask."""

    def __init__(self, backend: str) -> None:
        self.TYPE = backend

    def get_secret_as_dict(self, secret_id: str, options: Any = None, role: Any = None) -> Dict[str, str]:
        raise MetaflowException(
            "the secrets backend '%s' is not available in this version of Headrace. Set the variables in the "
            "environment of the run, or use @environment or the 'inline' backend." % self.TYPE
        )


def get_secrets_backend_provider(secrets_backend_type: str) -> Any:
    """The backend of that name. MetaflowException if there is none.

    Classes that were added to `metaflow.plugins.SECRETS_PROVIDERS` count too.
    """
    import sys

    for provider in getattr(sys.modules.get("metaflow.plugins"), "SECRETS_PROVIDERS", ()):
        if provider.TYPE == secrets_backend_type:
            return provider()
    if secrets_backend_type == "inline":
        return InlineSecretsProvider()
    if secrets_backend_type in BACKENDS:
        return _CloudSecretsProvider(secrets_backend_type)
    raise MetaflowException(
        "Unknown secrets backend type %s (available types: %s)"
        % (secrets_backend_type, ", ".join(name for name in BACKENDS if name != "inline"))
    )


def _spec_of(source: Union[str, Dict[str, Any]], role: Optional[str], what: str) -> SecretSpec:
    if isinstance(source, str):
        return SecretSpec.secret_spec_from_str(source, role=role)
    if isinstance(source, dict):
        return SecretSpec.secret_spec_from_dict(source, role=role)
    raise MetaflowException("%s sources items must be either a string or a dict" % what)


def _fetch(spec: SecretSpec) -> Dict[str, str]:
    provider = get_secrets_backend_provider(spec.secrets_backend_type)
    try:
        found: Dict[str, str] = provider.get_secret_as_dict(spec.secret_id, options=spec.options, role=spec.role)
    except Exception as error:
        raise MetaflowException("Failed to retrieve secret '%s': %s" % (spec.secret_id, error)) from error
    return found


def get_secret(source: Union[str, Dict[str, Any]], role: Optional[str] = None) -> Dict[str, str]:
    """The variables of one source, as `@secrets` would set them."""
    from .. import settings

    return _fetch(_spec_of(source, settings.DEFAULT_SECRETS_ROLE if role is None else role, "get_secrets"))


def validate_env_vars(env_vars: Dict[str, str]) -> None:
    """Raises MetaflowException for names and values that cannot be variables, or that are reserved."""
    import re

    for key, value in env_vars.items():
        if not isinstance(key, str):
            raise MetaflowException("Found non string key %s (%s)" % (key, type(key)))
        if not isinstance(value, str):
            raise MetaflowException("Found non string value %s (%s)" % (value, type(value)))
        if not re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", key):
            raise MetaflowException("Found invalid env var name '%s'." % key)
        if key.startswith(_RESERVED_PREFIX):
            raise MetaflowException(
                "Found disallowed env var name '%s' (starts with '%s')." % (key, _RESERVED_PREFIX)
            )


def validate_env_vars_across_secrets(all_secrets_env_vars: List[Tuple[SecretSpec, Dict[str, str]]]) -> None:
    """Raises MetaflowException if two sources give one variable."""
    injected_by: Dict[str, SecretSpec] = {}
    for spec, env_vars in all_secrets_env_vars:
        for key in env_vars:
            if key in injected_by:
                raise MetaflowException(
                    "Secret '%s' will inject '%s' as env var, and it is also added by '%s'"
                    % (spec, key, injected_by[key])
                )
            injected_by[key] = spec


def validate_env_vars_vs_existing_env(all_secrets_env_vars: List[Tuple[SecretSpec, Dict[str, str]]]) -> None:
    """Raises MetaflowException if a variable is set already."""
    for spec, env_vars in all_secrets_env_vars:
        for key in env_vars:
            if key in os.environ:
                raise MetaflowException(
                    "Secret '%s' will inject '%s' as env var, but it already exists in env" % (spec, key)
                )


class SecretsDecorator(StepDecorator):
    """Fetches secrets before a step and sets them as environment variables.

    sources: `"backend.id"`, `"id"` (default backend) or `{"type", "id", "options", "role"}`. role: what to ask as.
    allow_override: variables may exist already.
    """

    name = "secrets"
    defaults: Dict[str, Any] = {"sources": [], "role": None, "allow_override": False}

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any,
                      inputs: Any) -> None:
        from .. import settings

        role = self.attributes["role"]
        role = settings.DEFAULT_SECRETS_ROLE if role is None else role
        specs = [_spec_of(source, role, "@secrets") for source in self.attributes["sources"]]
        fetched = []
        for spec in specs:
            env_vars = _fetch(spec)
            try:
                validate_env_vars(env_vars)
            except (MetaflowException, AttributeError) as error:
                raise MetaflowException("Invalid env vars from secret %s: %s" % (spec.secret_id, error)) from error
            fetched.append((spec, env_vars))
        validate_env_vars_across_secrets(fetched)
        if not self.attributes["allow_override"]:
            validate_env_vars_vs_existing_env(fetched)
        for _, env_vars in fetched:
            os.environ.update(env_vars)


SecretsDecorator.__module__ = "metaflow.plugins.secrets.secrets_decorator"
SecretSpec.__module__ = "metaflow.plugins.secrets.secrets_spec"
