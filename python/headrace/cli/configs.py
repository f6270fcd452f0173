"""`--config` and `--config-value`: where the values of a flow's Configs come from."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Tuple

import click

from ..errors import MetaflowException
from ..flow_state import FlowStateItems
from ..parameters import DeployTimeField, ParameterContext
from ..user_configs import ConfigValue, call_parser

#: Beginning of a text that names a value in the file of `--local-config-file`.
_KEY_PREFIX = "kv."


class _Pairs(click.Tuple):
    """Name and text. In the environment, all pairs are one JSON object."""

    def split_envvar_value(self, rv: str) -> List[str]:
        try:
            loaded = json.loads(rv)
            items = list(loaded.items())
        except (ValueError, AttributeError):
            raise click.UsageError(
                "The environment variable of the configuration options must be a JSON object of names and values, "
                "got: %s" % rv
            ) from None
        return [item if isinstance(item, str) else json.dumps(item) for pair in items for item in pair]


def configs_of(flow_cls: Any) -> List[Any]:
    """The flow's Configs. Raises MetaflowException when two have one name."""
    configs: Dict[str, Any] = {}
    for _, config in flow_cls._get_parameters():
        if not config.IS_CONFIG_PARAMETER:
            continue
        if config.name in configs:
            raise MetaflowException(
                "Multiple configurations use the same name '%s'. Please change the names of some of your configurations"
                % config.name
            )
        configs[config.name] = config
    return list(configs.values())


def config_options(flow_cls: Any) -> List[click.Option]:
    """The two options; values are looked at later, by `resolve`."""
    configs = configs_of(flow_cls)
    lines = [
        "Configuration options for the flow. Multiple configurations can be specified. Cannot be used with resume."
    ] + ["  - %s: %s" % (c.name, c.kwargs.get("help") or "") for c in configs]
    names = [c.name for c in configs]

    def option(name: str, variable: str) -> click.Option:
        return click.Option(
            ["--" + name],
            nargs=2,
            multiple=True,
            type=_Pairs([click.Choice(names), click.STRING]),
            help="\n\n".join(lines),
            envvar=variable,
            is_eager=False,
        )

    return [option("config", "METAFLOW_FLOW_CONFIG"), option("config-value", "METAFLOW_FLOW_CONFIG_VALUE")]


class _Problems:
    """What is wrong with the configs, to be said in one error."""

    def __init__(self) -> None:
        self.texts: List[str] = []

    def raise_any(self) -> None:
        if self.texts:
            raise click.UsageError("Bad values passed for configuration options: %s" % ", ".join(self.texts))


def resolve(
    state: Any, paths: Any, texts: Any, local_file: Optional[str], datastore: str
) -> Dict[str, Any]:
    """The values of the flow's Configs by name, also stored in the flow's state.

    paths, texts: pairs as given. local_file: of `--local-config-file`. Raises click.UsageError.
    """
    flow_cls = state.flow.__class__
    configs = configs_of(flow_cls)
    given_paths, given_texts = dict(paths or ()), dict(texts or ())
    both = sorted(set(given_paths) & set(given_texts))
    from_file = bool(given_texts) and all(
        given_texts.get(name, "").startswith(_KEY_PREFIX) for name in set(given_texts) | set(given_paths)
    )
    if both and not from_file:
        raise click.UsageError(
            "Cannot provide both a value and a file for the same configuration. Found such values for '%s'"
            % "', '".join(both)
        )
    stored = flow_cls._flow_state.self_data[FlowStateItems.CONFIGS]
    if from_file:
        known = _load_file(local_file)
        for config in configs:
            if config.name not in known:
                raise click.UsageError("Could not find configuration '%s' in INFO file" % config.name)
            stored[config.name] = (known[config.name][0], config.kwargs["plain"])
    else:
        problems = _Problems()
        context = _context(state, datastore)
        for config in configs:
            found = _text_of(config, given_paths, given_texts, context, problems)
            if found is not None:
                stored[config.name] = (_parsed(config, found[0], problems), config.kwargs["plain"])
        problems.raise_any()
    return by_option(stored)


def by_option(stored: Dict[str, Tuple[Any, bool]]) -> Dict[str, Any]:
    """By the Config's name, and by the name that its option would have as a variable."""
    values: Dict[str, Any] = {}
    for name, (value, plain) in stored.items():
        final = value if plain or value is None else ConfigValue(value)
        values[name.replace("-", "_").lower()] = final
        values[name] = final
    return values


def _load_file(path: Optional[str]) -> Dict[str, Any]:
    if path is None:
        raise click.UsageError("Configuration values starting with '%s' need --local-config-file" % _KEY_PREFIX)
    with open(path, encoding="utf-8") as f:
        values: Dict[str, Any] = json.load(f).get("user_configs", {})
    return values


def _context(state: Any, datastore: str) -> ParameterContext:
    from ..identity import get_username

    return ParameterContext(
        flow_name=state.flow.name,
        user_name=get_username(),
        parameter_name=None,
        logger=state.echo,
        ds_type=datastore,
        configs=None,
    )


def _text_of(
    config: Any, paths: Dict[str, str], texts: Dict[str, str], context: ParameterContext, problems: _Problems
) -> Optional[Tuple[Any]]:
    """What the parser is to read, in a tuple: a text, a dict, or None. No tuple: a problem was noted."""
    name = config.name
    if name in texts:
        return (texts[name],)
    if name in paths:
        return _read(paths[name], "configuration file '%s' could not be read for '%s'", name, problems)
    default = config.kwargs.get("default")
    if isinstance(default, DeployTimeField):
        default = default.fun(context._replace(parameter_name=name))
    if default is None:
        if config.kwargs["required"]:
            problems.texts.append("missing configuration for '%s'" % name)
        return (None,)
    if config._default_is_file:
        return _read(str(default), "default configuration file '%s' could not be read for '%s'", name, problems)
    return (json.dumps(default) if isinstance(default, dict) else default,)


def _read(path: str, message: str, name: str, problems: _Problems) -> Optional[Tuple[Any]]:
    try:
        with open(path, encoding="utf-8") as f:
            return (f.read(),)
    except OSError:
        problems.texts.append(message % (path, name))
        return None


def _parsed(config: Any, text: Any, problems: _Problems) -> Any:
    if text is None:
        return None
    plain: bool = config.kwargs["plain"]
    if config.parser:
        return call_parser(config.parser, text, plain)
    if plain:
        return text
    try:
        value = json.loads(text)
    except ValueError as e:
        problems.texts.append("configuration value for '%s' is not valid JSON: %s" % (config.name, e))
        return None
    if not isinstance(value, dict):
        problems.texts.append(
            "configuration value for '%s' is not a JSON object (use plain=True for other values)" % config.name
        )
        return None
    return value
