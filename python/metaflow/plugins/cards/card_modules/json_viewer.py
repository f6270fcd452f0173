"""`metaflow.plugins.cards.card_modules.json_viewer`: JSON and YAML on cards."""

from headrace.cards.components import JSONViewer, YAMLViewer  # noqa: F401
