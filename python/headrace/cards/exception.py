"""What cards raise."""

from __future__ import annotations

import re
from typing import Any

from ..client.cards import (  # noqa: F401
    CardNotPresentException,
    IncorrectArgumentException,
    IncorrectPathspecException,
    TaskNotFoundException,
    UnresolvableDatastoreException,
)
from ..errors import MetaflowException

#: What a card's id may be.
TYPE_CHECK_REGEX = "^[a-zA-Z0-9_]+$"
CARD_ID_PATTERN = re.compile(TYPE_CHECK_REGEX)


class CardClassFoundException(MetaflowException):
    headline = "MetaflowCard not found"

    def __init__(self, card_name: str) -> None:
        super().__init__("MetaflowCard named %s not found. Check the `type` attribute in @card" % card_name)


class TypeRequiredException(MetaflowException):
    headline = "Card type missing exception"

    def __init__(self) -> None:
        super().__init__("if IDENTIFIER is a pathspec than --type is required")


class IncorrectCardArgsException(MetaflowException):
    headline = "Incorrect arguments to @card decorator"

    def __init__(self, card_type: str, args: Any) -> None:
        super().__init__("Card of type %s cannot support arguments %s" % (card_type, args))


class UnrenderableCardException(MetaflowException):
    """Made while the exception of the card is handled."""

    headline = "Unable to render @card"

    def __init__(self, card_type: str, args: Any) -> None:
        import traceback

        super().__init__(
            "Card of type %s is unable to be rendered with arguments %s.\nStack trace :  %s"
            % (card_type, args, traceback.format_exc())
        )


class ComponentOverwriteNotSupportedException(MetaflowException):
    headline = "Component overwrite is not supported"

    def __init__(self, component_id: str, card_id: Any, card_type: Any) -> None:
        where = "id='%s'" % card_id if card_id is not None else ""
        super().__init__(
            "Card component overwrite is not supported. Component with id %s already exists in the @card(type='%s', %s)."
            "\nInstead of calling `current.card.components[ID] = component` you can call "
            "`current.card.components[ID].update(component)`" % (component_id, card_type, where)
        )


class CardTimeout(Exception):
    """A card took longer than its `timeout`."""


for _cls in (CardClassFoundException, TypeRequiredException, IncorrectCardArgsException, UnrenderableCardException,
             ComponentOverwriteNotSupportedException):
    _cls.__module__ = "metaflow.plugins.cards.exception"
del _cls

__all__ = [
    "CARD_ID_PATTERN", "TYPE_CHECK_REGEX", "CardClassFoundException", "CardNotPresentException", "CardTimeout",
    "ComponentOverwriteNotSupportedException", "IncorrectArgumentException", "IncorrectCardArgsException",
    "IncorrectPathspecException", "TaskNotFoundException", "TypeRequiredException", "UnrenderableCardException",
    "UnresolvableDatastoreException",
]
