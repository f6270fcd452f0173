"""`metaflow.plugins.cards.card_modules.card`: Base classes of cards."""

from headrace.cards.card import (  # noqa: F401
    MetaflowCard,
    MetaflowCardComponent,
    create_component_id,
    with_default_component_id,
)
