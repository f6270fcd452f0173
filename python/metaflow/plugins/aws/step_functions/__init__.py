"""`metaflow.plugins.aws.step_functions`: AWS Step Functions."""
