"""`metaflow.cmd.util`: printing of the command `metaflow`."""

from __future__ import annotations

import os
from typing import Any


def echo_dev_null(*args: Any, **kwargs: Any) -> None:
    """Prints nothing."""


def echo_always(line: Any, **kwargs: Any) -> None:
    """Prints a line with click's styles."""
    import click

    click.secho(line, **kwargs)


def makedirs(path: str) -> None:
    """Makes a folder and those above; one that exists is fine."""
    os.makedirs(path, exist_ok=True)
