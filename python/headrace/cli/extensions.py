"""Extensions of Metaflow that are installed: their cards are loaded, the rest is named in one warning."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Iterable, List

_PACKAGE = "metaflow_extensions"


def not_loaded(folders: Iterable[str]) -> List[str]:
    """Extensions below folders such as `site-packages/metaflow_extensions` that hold more than cards, sorted."""
    found = set()
    for folder in folders:
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if _has_more_than_cards(os.path.join(folder, name)):
                found.add(name)
    return sorted(found)


def _has_more_than_cards(extension: str) -> bool:
    cards = os.path.join(extension, "plugins", "cards")
    for folder, folders, files in os.walk(extension):
        folders[:] = [name for name in folders if os.path.join(folder, name) != cards and name != "__pycache__"]
        if any(name.endswith(".py") and name != "__init__.py" for name in files):
            return True
    return False


def warn(echo: Callable[..., Any]) -> None:
    """Says which extensions this process finds and does not load; nothing if there are none."""
    names = not_loaded(os.path.join(entry or os.curdir, _PACKAGE) for entry in sys.path)
    if names:
        echo(
            "Extensions of Metaflow are not loaded, but for their cards: %s. Decorators, commands and configuration that they "
            "define are missing; import what you need from %s in the flow's file." % (", ".join(names), _PACKAGE),
            fg="yellow",
        )
