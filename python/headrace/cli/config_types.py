"""Names of `metaflow.user_configs.config_options` that extensions and command-line wrappers use."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import click

_GIVEN, _DEFAULT, _NO_FILE = "@!c!@:", "@!d!@:", "@!n!@:"


def _marked(value: str, is_default: bool) -> str:
    return _GIVEN + (_DEFAULT if is_default else "") + value


class ConvertPath(click.Path):
    """The type of `--config`: a path becomes the file's text, marked as such."""

    name = "ConvertPath"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, str) and value.startswith(_GIVEN):
            return value
        is_default = bool(value) and str(value).startswith(_DEFAULT)
        path = super().convert(value[len(_DEFAULT):] if is_default else value, param, ctx)
        return self.convert_value(path, is_default)

    @staticmethod
    def mark_as_default(value: Any) -> Optional[str]:
        """A default, told apart from the same path on the command line."""
        return None if value is None else _DEFAULT + str(value)

    @staticmethod
    def convert_value(value: Any, is_default: bool) -> Optional[str]:
        if value is None:
            return None
        try:
            with open(value, encoding="utf-8") as f:
                return _marked(f.read(), is_default)
        except OSError:
            return _marked(_NO_FILE + str(value), is_default)


class ConvertDictOrStr(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """The type of `--config-value`: text, or an object that becomes JSON."""

    name = "ConvertDictOrStr"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        is_default = isinstance(value, str) and value.startswith(_DEFAULT)
        return self.convert_value(value[len(_DEFAULT):] if is_default else value, is_default)

    @staticmethod
    def mark_as_default(value: Any) -> Optional[str]:
        """A default, told apart from the same value on the command line."""
        import json

        if value is None:
            return None
        return _DEFAULT + (json.dumps(value) if isinstance(value, dict) else str(value))

    @staticmethod
    def convert_value(value: Any, is_default: bool) -> Optional[str]:
        import json

        if value is None or (isinstance(value, str) and value.startswith(_GIVEN)):
            return value
        return _marked(json.dumps(value) if isinstance(value, dict) else value, is_default)


class MultipleTuple(click.Tuple):
    """Pairs; from an environment variable, the pairs of a JSON object."""

    def split_envvar_value(self, rv: str) -> List[str]:
        import json

        pairs = json.loads(rv).items()
        return [item if isinstance(item, str) else json.dumps(item) for pair in pairs for item in pair]


class ConfigInput:
    """Keys under which configs are stored for tasks."""

    loaded_configs: Optional[Dict[str, Any]] = None
    config_file: Optional[str] = None

    @staticmethod
    def make_key_name(name: str) -> str:
        from ..command_lines import config_key

        return config_key(name)

    @classmethod
    def set_config_file(cls, config_file: str) -> None:
        """The file that `get_config` reads."""
        cls.config_file, cls.loaded_configs = config_file, None

    @classmethod
    def get_config(cls, config_name: str) -> Any:
        """The value of a config in that file. KeyError if it is not there."""
        if cls.loaded_configs is None:
            from .configs import _load_file

            cls.loaded_configs = _load_file(cls.config_file)
        return cls.loaded_configs[config_name]


for _cls in (ConvertPath, ConvertDictOrStr, MultipleTuple, ConfigInput):
    _cls.__module__ = "metaflow.user_configs.config_options"
