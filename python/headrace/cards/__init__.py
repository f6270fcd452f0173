"""`metaflow.cards`: components of cards, base classes for card types, and cards that were stored.

`collector` is `current.card`; `creator` makes and stores pages, in a process of its own; `page` is their HTML.
"""

from __future__ import annotations

from typing import Any, List

_HOMES = {
    "client": ("get_cards",),
    "card": ("MetaflowCard", "MetaflowCardComponent"),
    "components": (
        "Artifact", "Table", "Image", "Error", "Markdown", "VegaChart", "ProgressBar", "ValueBox", "PythonCode",
        "EventsTimeline", "JSONViewer", "YAMLViewer",
    ),
    "types": ("DefaultCard", "PageComponent", "ErrorCard", "BlankCard"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError("module 'metaflow.cards' has no attribute '%s'" % name)
    from importlib import import_module

    value = getattr(import_module("." + home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(__all__))
