"""`metaflow.plugins.aws`: AWS."""
