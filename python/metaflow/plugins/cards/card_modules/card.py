"""`metaflow.plugins.cards.card_modules.card`: Base classes of cards."""

from headrace.cards.card import MetaflowCard, MetaflowCardComponent, create_component_id  # noqa: F401
