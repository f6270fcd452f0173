"""`metaflow.plugins.metadata_providers`: kinds of them, one a module."""
