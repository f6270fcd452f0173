"""`package`: what the code package of the flow would be."""

from __future__ import annotations

from typing import Any

import click

from ..errors import CommandException
from .group import Group


@click.group(cls=Group, help="Commands related to code packages.")
@click.option("--timeout", default=60, help="Timeout for package operations in seconds.")
@click.pass_obj
def package(obj: Any, timeout: int) -> None:
    from ..package import MetaflowPackage

    obj.package = MetaflowPackage(obj.flow, obj.environment, obj.echo, suffixes=obj.package_suffixes)
    obj.package_op_timeout = timeout


@package.command(help="Output information about the code package.")
@click.pass_obj
def info(obj: Any) -> None:
    obj.echo_always(obj.package.show(), no_bold=True)


@package.command("list", help="List all files included in the code package.")
@click.option(
    "--archive/--no-archive",
    default=False,
    show_default=True,
    help="If True, lists the file paths as present in the code package archive; otherwise, lists the files on your "
    "filesystem included in the code package",
)
@click.pass_obj
def list_files(obj: Any, archive: bool) -> None:
    obj.echo(
        "Files included in the code package (change with --package-suffixes):", fg="magenta", bold=False
    )
    names = (name if archive else path or name for path, name in obj.package.path_tuples())
    obj.echo_always("\n".join(names), no_bold=True)


@package.command(help="Save the current code package to a file.")
@click.argument("path")
@click.pass_obj
def save(obj: Any, path: str) -> None:
    try:
        with open(path, "wb") as f:
            f.write(obj.package.blob)
    except OSError as e:
        raise CommandException("The code package cannot be saved in %s: %s." % (path, e.strerror)) from e
    obj.echo(
        "Code package saved in *%s* with metadata: %s" % (path, obj.package.package_metadata), fg="magenta", bold=False
    )
