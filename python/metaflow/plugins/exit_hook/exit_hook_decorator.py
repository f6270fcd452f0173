"""`metaflow.plugins.exit_hook.exit_hook_decorator`: `@exit_hook`."""

from headrace.decorators.exit_hook import ExitHookDecorator  # noqa: F401
