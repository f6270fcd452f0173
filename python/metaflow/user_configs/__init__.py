"""`metaflow.user_configs`: Configs."""
