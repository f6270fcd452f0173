"""`metaflow.plugins.datastores`: kinds of them, one a module."""
