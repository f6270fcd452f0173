"""`metaflow.plugins.argo`: Argo Workflows."""
