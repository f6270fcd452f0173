"""`metaflow.plugins.cards.card_client`: Cards that were stored."""

from headrace.cards.client import Card, CardContainer, get_cards  # noqa: F401
