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
