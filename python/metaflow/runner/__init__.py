"""`metaflow.runner`: Flows run from Python."""
