"""Groups of commands whose files are imported when a command is looked up."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import click


class Group(click.Group):
    """Without a command it prints its help on stdout and ends with 0, as Metaflow's do; click since 8.2 calls that an error."""

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        if not args and self.no_args_is_help and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        return super().parse_args(ctx, args)


class LazyGroup(Group):
    """lazy: command -> "module:attribute", relative to this package."""

    def __init__(self, *args: Any, lazy: Optional[Dict[str, str]] = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy or {}

    def list_commands(self, ctx: click.Context) -> List[str]:
        return sorted(set(self._lazy) | set(super().list_commands(ctx)))

    def get_command(self, ctx: click.Context, cmd_name: str) -> Optional[click.Command]:
        where = self._lazy.get(cmd_name)
        if where is None:
            return super().get_command(ctx, cmd_name)
        from importlib import import_module

        module, _, attribute = where.partition(":")
        command: click.Command = getattr(import_module(module, __package__), attribute)
        return command


class FlowGroup(LazyGroup):
    """The commands of a flow.

    The group's own function runs before the command is looked up: it gives configs their values and runs mutators,
    and both may change which options a command has. `ctx.saved_args` holds the command and its words.
    """

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        rest = click.Command.parse_args(self, ctx, args)
        ctx.saved_args = list(rest)  # type: ignore[attr-defined]
        ctx.args = []
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        args: List[str] = list(ctx.saved_args)  # type: ignore[attr-defined]
        with ctx:
            ctx.invoked_subcommand = args[0] if args else None
            click.Command.invoke(self, ctx)
            if not args:
                check = self.get_command(ctx, "check")
                assert check is not None
                return ctx.invoke(check)
            name, command, rest = self.resolve_command(ctx, args)
            assert command is not None
            with command.make_context(name, rest, parent=ctx) as sub:
                return sub.command.invoke(sub)
