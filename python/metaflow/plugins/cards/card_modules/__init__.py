"""`metaflow.plugins.cards.card_modules`: Card types and components."""

from headrace.cards.card import MetaflowCard, MetaflowCardComponent  # noqa: F401
