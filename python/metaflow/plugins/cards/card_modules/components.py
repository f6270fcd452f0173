"""`metaflow.plugins.cards.card_modules.components`: Components of cards."""

from headrace.cards.components import *  # noqa: F401,F403
