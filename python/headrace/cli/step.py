"""Commands that the engine runs, or another scheduler."""

from __future__ import annotations

import sys
from typing import Any

import click

from ..errors import CommandException


@click.command(help="Internal command to execute a single task.", hidden=True)
@click.argument("step-name")
@click.option("--run-id")
@click.option("--task-id")
@click.option("--input-paths")
@click.option("--input-paths-filename")
@click.option("--split-index", type=int)
@click.option("--tag", "opt_tag", multiple=True)
@click.option("--namespace", "opt_namespace")
@click.option("--retry-count", default=0, show_default=True)
@click.option("--max-user-code-retries", default=0, show_default=True)
@click.option("--clone-only")
@click.option("--clone-run-id")
@click.option("--ubf-context", default="none", type=click.Choice(["none", "ubf_control", "ubf_task"]))
@click.option("--num-parallel", default=0, show_default=True)
@click.pass_obj
def step(obj: Any, /, step_name: str, **options: Any) -> None:
    if step_name not in obj.graph:
        raise CommandException("Step *%s* doesn't exist." % step_name)
    from ..task import run_from_door

    if obj.spin_options:
        _spin(obj, step_name)
    # What to run is said by the door that the engine gave this process; the options are those of other schedulers.
    sys.exit(run_from_door(obj.flow))


def _spin(obj: Any, step_name: str) -> None:
    """Makes the step what `spin` made it in its process."""
    import json

    from .spin import keep_spin_decorators, load_artifacts, prepare_spun_step

    options = json.loads(obj.spin_options)
    keep_spin_decorators(getattr(obj.flow, step_name), options["skip"])
    artifacts = load_artifacts(options["artifacts"]) if options["artifacts"] else {}
    prepare_spun_step(obj.flow, step_name, artifacts, options["persist"])


@click.command("spin-step", help="Internal command to execute a single task of a spin.", hidden=True)
@click.argument("step-name")
@click.pass_obj
def spin_step(obj: Any, step_name: str) -> None:
    if step_name not in obj.graph:
        raise CommandException("Step *%s* doesn't exist." % step_name)
    from ..task import run_from_door

    sys.exit(run_from_door(obj.flow))


@click.command(help="Internal command to initialize a run.", hidden=True)
@click.option("--run-id", required=True)
@click.option("--task-id", required=True)
@click.option("--tag", "tags", multiple=True)
@click.pass_obj
def init(obj: Any, run_id: str, task_id: str, tags: Any) -> None:
    raise CommandException(
        "`init` stores the parameters of a run that another scheduler runs (Argo Workflows, Step Functions, Airflow), "
        "and this version of Headrace deploys to none. Start a run with `run`."
    )
