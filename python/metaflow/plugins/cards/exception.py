"""`metaflow.plugins.cards.exception`: What cards raise."""

from headrace.cards.exception import *  # noqa: F401,F403
