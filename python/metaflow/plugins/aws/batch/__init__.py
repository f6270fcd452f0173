"""`metaflow.plugins.aws.batch`: AWS Batch."""
