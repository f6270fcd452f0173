"""`metaflow.plugins.cards.card_modules.renderer_tools`: Components that fail are shown as such."""

from headrace.cards.safely import render_safely  # noqa: F401
