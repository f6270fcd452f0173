"""The command `metaflow` (`python -m metaflow.cmd.main_cli`): what it can say of the flows here, and what Headrace does not have."""

from __future__ import annotations

from typing import Any

import click


def _missing(name: str, next_step: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}, add_help_option=False)
    def command() -> None:
        raise click.ClickException("`metaflow %s` is not available: this version of Headrace does not have it. %s" % (name, next_step))

    command.short_help = "Not available."
    return command


@click.group(invoke_without_command=True)
@click.pass_context
def start(ctx: Any) -> None:
    """Headrace, which runs Metaflow flows."""
    from headrace._version import METAFLOW_FULL_VERSION

    if ctx.invoked_subcommand is None:
        click.echo("Headrace, as Metaflow %s\n" % METAFLOW_FULL_VERSION)
        click.echo(ctx.get_help())


@start.command(help="Show all available commands.")
@click.pass_context
def help(ctx: Any) -> None:
    click.echo(ctx.parent.get_help())


@start.command(help="Show flows accessible from the current working tree.")
def status() -> None:
    from headrace.client import Metaflow, get_metadata, namespace

    root = get_metadata().partition("@")[2]
    if root.startswith("<"):
        raise click.ClickException('Could not find ".metaflow" in the current working tree.')
    namespace(None)
    click.echo('Working tree found at: "%s"\n' % root)
    click.echo("Available flows:")
    for flow in Metaflow():
        click.echo("* %s" % flow)




for _name, _next in (
    ("configure", "Set METAFLOW_* variables, or write ~/.metaflowconfig/config.json."),
    ("tutorials", "See the examples of Headrace."),
    ("develop", ""),
    ("code", "Use Run.code of the Client."),
):
    start.add_command(_missing(_name, _next))
