"""Cards that were stored: `get_cards`. It is part of the client."""

from headrace.client.cards import Card, CardContainer, get_cards

__all__ = ["Card", "CardContainer", "get_cards"]
