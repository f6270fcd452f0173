"""Command lines of flows made from options, as decorators and extensions build them (`metaflow.cli_args`, `metaflow.util`)."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple


def config_key(name: str) -> str:
    """What `--config-value NAME` gets when the value is in `--local-config-file`."""
    return "kv." + name


def _options(mapping: Mapping[str, Any], skip: Tuple[str, ...] = ()) -> Iterator[Tuple[str, List[Any]]]:
    """Options and their values. None and False leave an option out; True gives it without a value."""
    for key, value in mapping.items():
        if value is None or value is False or key in skip:
            continue
        if key in ("config", "config_value"):
            for name in value:
                yield "--config-value", [name, config_key(name)]
            continue
        option = "--" + ("with" if key == "decospecs" else key.replace("_", "-"))
        for each in value if isinstance(value, (list, tuple, set)) else [value]:
            yield option, [] if isinstance(each, bool) else [each]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def dict_to_cli_options(params: Mapping[str, Any]) -> Iterator[str]:
    """Words of a shell's command line. Values are quoted, except those that begin with `$`: shell variables."""
    from shlex import quote

    for option, values in _options(params, skip=("local_config_file",)):
        yield option
        for value in values:
            text = _text(value)
            plain = option == "--config-value" or text.lstrip("\\").startswith("$")
            yield text if plain else quote(text)


class CLIArgs:
    """Options of this process's command line and of its `step` command."""

    def __init__(self) -> None:
        self._top_kwargs: Dict[str, Any] = {}
        self._step_kwargs: Dict[str, Any] = {}

    def _set_top_kwargs(self, kwargs: Dict[str, Any]) -> None:
        self._top_kwargs = kwargs

    def _set_step_kwargs(self, kwargs: Dict[str, Any]) -> None:
        self._step_kwargs = kwargs

    @property
    def top_kwargs(self) -> Dict[str, Any]:
        return self._top_kwargs

    @property
    def step_kwargs(self) -> Dict[str, Any]:
        return self._step_kwargs

    def step_command(self, executable: str, script: str, step_name: str, top_kwargs: Optional[Dict[str, Any]] = None,
                     step_kwargs: Optional[Dict[str, Any]] = None) -> List[str]:
        """Arguments of a process that runs one step."""
        top = self._top_kwargs if top_kwargs is None else top_kwargs
        own = self._step_kwargs if step_kwargs is None else step_kwargs
        words = [executable, "-u", script]
        for mapping, then in ((top, ["step", step_name]), (own, [])):
            for option, values in _options(mapping):
                words += [option] + [_text(value) for value in values]
            words += then
        return words


cli_args = CLIArgs()
CLIArgs.__module__ = "metaflow.cli_args"
