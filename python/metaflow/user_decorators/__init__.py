"""`metaflow.user_decorators`: Decorators that users write."""
