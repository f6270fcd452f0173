"""`metaflow.plugins.frameworks`: Frameworks of `@parallel`."""
