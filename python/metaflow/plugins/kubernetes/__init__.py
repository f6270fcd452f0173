"""`metaflow.plugins.kubernetes`: Kubernetes."""
