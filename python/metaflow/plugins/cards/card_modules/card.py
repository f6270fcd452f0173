"""`metaflow.plugins.cards.card_modules.card`: Base classes of cards."""

from headrace.cards.card import MetaflowCard, MetaflowCardComponent, RenderedCard  # noqa: F401
