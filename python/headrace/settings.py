"""Configuration: every `METAFLOW_<KEY>`, as an attribute `KEY` of this module.

A key is looked up in the environment, then in `.metaflow/config.json` of the nearest parent directory that has a
`.metaflow`, then in `$METAFLOW_HOME/config.json` (`config_<profile>.json` with METAFLOW_PROFILE), then here. It is
looked up when it is first used; setting the attribute overrides it. The default gives the type: booleans are true
unless `0`, `false` or empty; lists and objects are JSON.
"""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .errors import MetaflowException
from .settings_keys import CHOICES, DEFAULTS, FIXED, Other

DEBUG_OPTIONS = ["subcommand", "sidecar", "s3client", "tracing", "stubgen", "userconf", "conda", "package"]

NON_CHANGED_VALUES = 1
NULL_VALUES = 2
ALL_VALUES = 3


class Setting(NamedTuple):
    """A key that was looked up. serializer: makes the text that gives `value` again."""

    value: Any
    serializer: Callable[[Any], str]
    is_default: bool


_found: Dict[str, Setting] = {}
_files: "Optional[Tuple[Dict[str, Any], Dict[str, Any]]]" = None


def _read_json(path: str) -> Dict[str, Any]:
    import json

    try:
        with open(path, encoding="utf-8") as f:
            content = json.load(f)
    except FileNotFoundError:
        return {}
    except OSError as e:
        raise MetaflowException("The configuration file %s cannot be read: %s." % (path, e.strerror)) from None
    except ValueError as e:
        raise MetaflowException("The configuration file %s is not valid JSON: %s" % (path, e)) from None
    if not isinstance(content, dict):
        raise MetaflowException("The configuration file %s must hold a JSON object." % path)
    return content


class InvalidSetting(MetaflowException, ValueError):
    """A key's value has not the type that the key has."""

    headline = "Invalid configuration"


def find_upwards(name: str) -> Optional[str]:
    """The directory `name` of the nearest parent of the current directory that has one; None if none has."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        raise MetaflowException("The current directory has been deleted: change to one that exists.") from None
    while True:
        path = os.path.join(here, name)
        if os.path.isdir(path):
            return os.path.realpath(path)
        parent = os.path.dirname(here)
        if parent == here:
            return None
        here = parent


def _global_config() -> Dict[str, Any]:
    home = os.environ.get("METAFLOW_HOME", "~/.metaflowconfig")
    profile = os.environ.get("METAFLOW_PROFILE")
    path = os.path.expanduser(os.path.join(home, "config_%s.json" % profile if profile else "config.json"))
    if profile and not os.path.exists(path):
        raise MetaflowException("Unable to locate METAFLOW_PROFILE '%s' in '%s'" % (profile, home))
    return _read_json(path)


def _local_config() -> Dict[str, Any]:
    directory = find_upwards(".metaflow")
    return _read_json(os.path.join(directory, "config.json")) if directory else {}


def _read_files() -> "Tuple[Dict[str, Any], Dict[str, Any]]":
    global _files
    _files = (_local_config(), _global_config())
    return _files


def _lookup(env_name: str, default: Any) -> Any:
    if env_name in os.environ:
        return os.environ[env_name]
    for content in _files or _read_files():
        if env_name in content:
            return content[env_name]
    return default


def _convert(env_name: str, value: Any, default: Any) -> Any:
    """`value` with the type of `default`. Raises InvalidSetting if it has not."""
    if type(value) is type(default):
        return value
    if isinstance(default, (list, dict)):
        import json

        try:
            value = json.loads(value)
        except (TypeError, ValueError):
            raise InvalidSetting("Expected a valid JSON for %s, got: %s" % (env_name, value)) from None
        if type(value) is not type(default):
            raise InvalidSetting("Expected value of type '%s' for %s, got: %s" % (type(default), env_name, value))
        return value
    if isinstance(default, bool):
        return str(value).lower() not in ("0", "false", "")
    try:
        return type(default)(value)
    except ValueError:
        raise InvalidSetting("Expected a %s for %s, got: %s" % (type(default), env_name, value)) from None


def from_conf(name: str, default: Any = None, validate_fn: Optional[Callable[[str, Any], None]] = None) -> Any:
    """The value of METAFLOW_<name>, with the type of `default`; a key without default is a text or None.

    validate_fn: called with the full name and the value, raises if it is not allowed. Raises InvalidSetting, a
    ValueError, for a value of the wrong type, MetaflowException when a configuration file cannot be used.
    """
    env_name = "METAFLOW_%s" % name
    value = _lookup(env_name, default)
    if validate_fn is not None and value is not None:
        validate_fn(env_name, value)
    serializer: Callable[[Any], str] = str
    if default is None:
        _found[env_name] = Setting(value, serializer, value is None)
        return value
    if not isinstance(default, (list, dict, bool, int, float, str)):
        raise RuntimeError("Default of type %s for %s is not supported" % (type(default), env_name))
    value = _convert(env_name, value, default)
    if isinstance(default, (list, dict)):
        import json

        serializer = json.dumps
        # The caller may change its copy.
        value = type(default)(value)
    _found[env_name] = Setting(value, serializer, value == default)
    return value


def config_values(include: int = 0) -> Iterator[Tuple[str, str]]:
    """`(METAFLOW_<KEY>, text)` of the keys that are set. include: NON_CHANGED_VALUES, NULL_VALUES or both."""
    load_all()
    for name, setting in _found.items():
        if setting.value is None and not include & NULL_VALUES:
            continue
        if setting.is_default and not include & NON_CHANGED_VALUES:
            continue
        yield name, setting.serializer(setting.value)


def get_validate_choice_fn(choices: List[str]) -> Callable[[str, Any], None]:
    """A `validate_fn` that allows only `choices`."""

    def validate(name: str, value: Any) -> None:
        if value not in choices:
            raise MetaflowException("%s must be set to one of %s. Got '%s'." % (name, choices, value))

    return validate


# --- keys as attributes ----------------------------------------------------------------------------------------


def _default_of(name: str) -> Any:
    default = DEFAULTS[name]
    if isinstance(default, Other):
        other = __getattr__(default.key) if default.key not in globals() else globals()[default.key]
        return default.make(other) if other is not None else None
    return default


def _evaluate(name: str) -> Any:
    if name in FIXED:
        return FIXED[name]
    if name.startswith("DEBUG_") and name[6:].lower() in DEBUG_OPTIONS:
        return from_conf(name, False)
    if name == "ARTIFACT_LOCALROOT":
        return from_conf(name, os.getcwd())
    if name == "DISABLE_TRACING":
        return bool(os.environ.get("DISABLE_TRACING"))
    if name not in DEFAULTS:
        raise AttributeError("module 'headrace.settings' has no attribute '%s'" % name)
    choices = CHOICES.get(name)
    value = from_conf(name, _default_of(name), get_validate_choice_fn(choices) if choices else None)
    if name == "DATATOOLS_CLIENT_PARAMS":
        if __getattr__("S3_ENDPOINT_URL"):
            value.setdefault("endpoint_url", __getattr__("S3_ENDPOINT_URL"))
        if __getattr__("S3_VERIFY_CERTIFICATE"):
            value["verify"] = __getattr__("S3_VERIFY_CERTIFICATE")
    elif name == "SERVICE_HEADERS" and __getattr__("SERVICE_AUTH_KEY") is not None:
        value["x-api-key"] = __getattr__("SERVICE_AUTH_KEY")
    return value


def __getattr__(name: str) -> Any:
    if name in globals():
        return globals()[name]
    if name.startswith("__"):
        raise AttributeError(name)
    value = _evaluate(name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(DEFAULTS) | set(FIXED))


def load_all() -> None:
    """Looks up every key, so that an ill-typed one is found before anything starts."""
    for name in DEFAULTS:
        __getattr__(name)
    for option in DEBUG_OPTIONS:
        __getattr__("DEBUG_%s" % option.upper())


def check_given() -> None:
    """Looks up every key that somebody has set, so that an ill-typed one is found before anything starts."""
    for content in (os.environ, *(_files or _read_files())):
        for env_name in list(content):
            if env_name.startswith("METAFLOW_") and env_name[len("METAFLOW_"):] in DEFAULTS:
                __getattr__(env_name[len("METAFLOW_"):])
