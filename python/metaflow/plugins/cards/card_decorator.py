"""`metaflow.plugins.cards.card_decorator`: `@card`."""

from headrace.decorators.card import CardDecorator  # noqa: F401
