"""`metaflow.cards`: Cards and their components."""

from headrace.cards import *  # noqa: F401,F403
