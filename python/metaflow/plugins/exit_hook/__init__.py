"""`metaflow.plugins.exit_hook`: `@exit_hook`."""
