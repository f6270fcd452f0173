"""The words of any command of a flow, by attribute: `MetaflowAPI.from_cli("flow.py")(quiet=True).tag().add(tags=["a"])`."""

from __future__ import annotations

from typing import Any, Callable, List, Optional

from headrace.runner.options import FlowCommands, words_for


class MetaflowAPI:
    """A command line that is being made. Attributes are the commands that may follow, with `_` for `-`.

    Calling a group gives the next one of these, calling a command the list of words, from the flow's file on.
    Raises ValueError or TypeError for arguments that the command does not take, AttributeError for an unknown command.
    """

    __module__ = "metaflow.runner.click_api"

    def __init__(self, commands: FlowCommands, group: Any, words: List[str]) -> None:
        self._commands = commands
        self._group = group
        self._words = words

    @classmethod
    def from_cli(cls, flow_file: str, cli_collection: Any = None) -> Callable[..., "MetaflowAPI"]:
        """What makes the beginning of the command line of the flow in a file: call it with the top-level options."""
        commands = FlowCommands(flow_file)

        def top_level(**kwargs: Any) -> "MetaflowAPI":
            return cls(commands, None, [flow_file] + commands.top_level(kwargs))

        return top_level

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._commands.command(self._group, name)
        if found is None:
            raise AttributeError("there is no command '%s' after `%s`" % (name, " ".join(self._words)))

        def call(**kwargs: Any) -> Any:
            words = self._words + [str(found.name)]
            params: Optional[List[Any]] = self._commands.params_of(found)
            words += words_for(params or [], kwargs, also_others=self._commands.may_have_more(found))
            return MetaflowAPI(self._commands, found, words) if hasattr(found, "list_commands") else words

        return call
