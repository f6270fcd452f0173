"""`metaflow.plugins.cards.card_modules.test_cards`: card types of Metaflow's own tests."""

from headrace.cards.for_tests import *  # noqa: F401,F403
