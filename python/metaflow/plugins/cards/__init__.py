"""`metaflow.plugins.cards`: Cards."""
