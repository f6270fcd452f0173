"""Commands that the engine runs, or another scheduler: `step` and `init`."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict

import click

from ..channel import DOOR_VARIABLE
from ..errors import CommandException
from .options import ParameterCommand


@click.command(help="Internal command to execute a single task.", hidden=True)
@click.argument("step-name")
@click.option("--run-id", help="ID of the run that the task is part of.")
@click.option("--task-id", help="ID for this task.")
@click.option("--input-paths", help="Tasks whose results the step begins with: RUN/STEP/TASK, separated by commas.")
@click.option("--input-paths-filename", hidden=True, help="A file that holds what --input-paths takes.")
@click.option("--split-index", type=int, help="Index of the item, in a foreach.")
@click.option("--tag", "opt_tag", multiple=True, help="A tag for the run. Can be given several times.")
@click.option(
    "--namespace",
    "opt_namespace",
    help="Change namespace from the default (your username) to the specified tag.",
)
@click.option("--retry-count", default=0, show_default=True, help="How many attempts of the task there have been before.")
@click.option(
    "--max-user-code-retries", default=0, show_default=True, help="How many times the step may be tried again when it fails."
)
@click.option("--clone-only", help="Copy the results of this task, RUN/STEP/TASK, and execute nothing.")
@click.option("--clone-run-id", help="ID of the run that is being resumed.")
@click.option(
    "--ubf-context",
    default="none",
    type=click.Choice(["none", "ubf_control", "ubf_task"]),
    help="Which part of a @parallel step the task is.",
)
@click.option("--num-parallel", default=0, show_default=True, help="Number of nodes of a @parallel step.")
@click.pass_obj
def step(obj: Any, /, step_name: str, **options: Any) -> None:
    if step_name not in obj.graph:
        raise CommandException("Step *%s* doesn't exist." % step_name)
    if DOOR_VARIABLE not in os.environ:
        sys.exit(_step_alone(obj, step_name, options))
    from ..task import run_from_door

    if obj.spin_options:
        _spin(obj, step_name)
    # What to run is said by the door that the engine gave this process; the options are for when there is none.
    sys.exit(run_from_door(obj.flow))


def _step_alone(obj: Any, step_name: str, options: Dict[str, Any]) -> int:
    """For another scheduler, or a person: the attempt is what the options say."""
    from ..one_attempt import attempt_spec, clone_task, run_alone

    for option in ("run_id", "task_id"):
        if not options[option]:
            raise click.UsageError("Missing option '--%s'." % option.replace("_", "-"))
    obj.echo("Executing a step, *%s*" % step_name, fg="magenta", bold=False)
    obj.metadata.add_sticky_tags(tags=options["opt_tag"])
    spec = attempt_spec(obj, step_name, options)
    if options["clone_only"]:
        code = clone_task(obj, spec, options["clone_only"])
    else:
        code = run_alone(obj, spec)
    if code == 0:
        obj.echo("Success", fg="green", bold=True, indent=True)
    return code


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


@click.command(cls=ParameterCommand, help="Internal command to initialize a run.", hidden=True)
@click.option("--run-id", required=True, help="ID for one execution of all steps in the flow.")
@click.option("--task-id", required=True, help="ID for this instance of the step.")
@click.option("--tag", "tags", multiple=True, help="Tags for this instance of the step.")
@click.pass_obj
def init(obj: Any, /, run_id: str, task_id: str, tags: Any, **parameters: Any) -> None:
    from ..spec import become_init
    from .run import gather_values, limits_of, spec_of

    obj.environment.ask_git()
    obj.metadata.add_sticky_tags(tags=tags)
    spec = spec_of(obj, "init", limits_of(1, 1, 0), (None, None))
    spec["init"] = {"run_id": run_id, "task_id": task_id}
    become_init(spec, gather_values(obj, spec, parameters))
