"""Commands of backends and schedulers that this version does not have: they exist, and say so."""

from __future__ import annotations

from typing import Any, List

import click

from ..errors import CommandException
from .group import Group


class _Missing(Group):
    """A group whose commands are known by name, and each of which fails with the same text."""

    def __init__(self, name: str, text: str, commands: List[str], why: str) -> None:
        super().__init__(name=name, help=text)
        self._why = why
        for command in commands:
            self.add_command(self._command(command))

    def _command(self, name: str) -> click.Command:
        def fail(**ignored: Any) -> None:
            raise CommandException(self._why)

        return click.Command(
            name,
            callback=fail,
            params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True},
            help="Not available in this version.",
        )


def _no_scheduler(name: str) -> str:
    return (
        "This version of Headrace does not deploy flows to %s. Run the flow with `run`, or start it from the scheduler "
        "of your choice as a command." % name
    )


batch = _Missing(
    "batch",
    "Commands related to AWS Batch.",
    ["list", "kill", "step"],
    "Headrace has no AWS Batch backend, so there are no tasks of it to look at. Run the flow with `run`, without @batch.",
)
argo_workflows = _Missing(
    "argo-workflows",
    "Commands related to Argo Workflows.",
    ["create", "trigger", "delete", "status", "suspend", "unsuspend", "terminate", "list-workflow-templates"],
    _no_scheduler("Argo Workflows"),
)
argo_workflows.params.append(click.Option(["--name"], help="Argo Workflow name. The flow name is used instead if not set."))
step_functions = _Missing(
    "step-functions",
    "Commands related to AWS Step Functions.",
    ["create", "trigger", "delete", "list-runs", "terminate"],
    _no_scheduler("AWS Step Functions"),
)
step_functions.params.append(click.Option(["--name"], help="State Machine name. The flow name is used instead if not set."))
airflow = _Missing(
    "airflow",
    "Commands related to Airflow.",
    ["create"],
    _no_scheduler("Airflow"),
)
airflow.params.append(click.Option(["--name"], help="Airflow DAG name. The flow name is used instead if not set."))
spot_metadata = _Missing(
    "spot-metadata",
    "Commands related to spot instances.",
    ["record"],
    "Headrace does not watch for the end of spot instances.",
)
