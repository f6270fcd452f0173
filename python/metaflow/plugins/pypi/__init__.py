"""`metaflow.plugins.pypi`: Packages of steps."""
