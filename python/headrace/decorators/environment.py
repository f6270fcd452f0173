"""`@environment`: variables that exist before the step's Python starts."""

from __future__ import annotations

from typing import Any, Dict

from ..errors import MetaflowException
from .base import StepDecorator


class EnvironmentDecorator(StepDecorator):
    """Sets environment variables for a step. vars: name -> value (as text).

    They are there when Python starts, so the step's tasks run in a fresh interpreter.
    """

    name = "environment"
    defaults: Dict[str, Any] = {"vars": {}}

    def variables(self) -> Dict[str, str]:
        """The variables as text. MetaflowException if `vars` is no dictionary, or has what no environment can hold."""
        found = self.attributes["vars"]
        if not hasattr(found, "items"):
            raise MetaflowException(
                "@environment(vars=...) takes a dictionary of variable names and values, not %r." % (found,)
            )
        variables = {str(key): str(value) for key, value in found.items()}
        for name, value in variables.items():
            if not name or "=" in name or "\0" in name + value:
                raise MetaflowException(
                    "@environment(vars=...) cannot set %r to %r: a name is not empty and has no `=`, and neither has a "
                    "NUL character." % (name, value)
                )
        return variables

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.variables()

    def runtime_step_cli(self, cli_args: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any) -> None:
        cli_args.env.update(self.variables())


EnvironmentDecorator.__module__ = "metaflow.plugins.environment_decorator"
