"""Which card types there are: built in, and from packages below `metaflow_extensions`."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set

_BUILT_IN = {
    "default": "DefaultCard",
    "blank": "BlankCard",
    "error": "ErrorCard",
    "html": "HTMLCard",
    "default_json": "DefaultCardJSON",
    "taskspec_card": "TaskSpecCard",
}

_extensions: Optional[List[Any]] = None


def get_card_class(card_type: str) -> Any:
    """The class of that type, None if there is none. An extension's class comes before a built-in one."""
    for card in _extension_cards():
        if card.type == card_type:
            return card
    return _built_in(card_type)


def _built_in(card_type: str) -> Any:
    name = _BUILT_IN.get(card_type)
    if name is None and str(card_type).startswith("test_"):
        from .for_tests import CARDS

        return next((card for card in CARDS if card.type == card_type), None)
    if name is None:
        return None
    from . import types

    return getattr(types, name)


def all_card_types() -> List[Any]:
    """All classes."""
    from .for_tests import CARDS

    found: Dict[str, Any] = {name: _built_in(name) for name in _BUILT_IN}
    found.update({str(card.type): card for card in CARDS})
    found.update({card.type: card for card in _extension_cards()})
    return list(found.values())


def _extension_cards() -> List[Any]:
    """Classes in `CARDS` of the modules `metaflow_extensions.ORGANISATION.plugins.cards[.NAME]`."""
    global _extensions
    if _extensions is None:
        _extensions = []
        import importlib.util

        if importlib.util.find_spec("metaflow_extensions") is not None:
            _extensions = _scan()
    return _extensions


def _organisations() -> List[str]:
    """Names of the folders below `metaflow_extensions`. pkgutil would leave out those without an `__init__.py`, which is
    how Metaflow documents them: namespace packages down to the card's own module."""
    import os

    import metaflow_extensions  # type: ignore[import-not-found]

    found: Set[str] = set()
    for folder in metaflow_extensions.__path__:
        if os.path.isdir(folder):
            found.update(name for name in os.listdir(folder) if name.isidentifier() and name != "__pycache__")
    return sorted(found)


def _scan() -> List[Any]:
    import importlib
    import pkgutil
    import sys

    cards: List[Any] = []
    for organisation in _organisations():
        root = "metaflow_extensions.%s.plugins.cards" % organisation
        try:
            package = importlib.import_module(root)
        except ImportError:
            continue
        modules = [package]
        for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
            try:
                modules.append(importlib.import_module("%s.%s" % (root, module.name)))
            except Exception as error:
                print("[@card WARNING] the card module %s.%s cannot be imported: %s" % (root, module.name, error),
                      file=sys.stderr)
        for each in modules:
            cards.extend(card for card in getattr(each, "CARDS", []) if card not in cards)
    return cards
