"""`resume`: a new run that takes over what an earlier one finished; and what is needed of that run before."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import click

from ..errors import CommandException
from ..spec import start_run
from .context import runs_root
from .options import run_options, runner_options
from .run import before_run, limits_of, spec_of
from .start import CliState
from .step_command import pods_of, step_command

_NO_ORIGIN = "A previous run id was not found. Specify --origin-run-id."


def latest_run(flow: str, root: str) -> str:
    """The run that `run` started last. Raises CommandException if there is none."""
    from ..client import store

    run_id = store.latest_run(root, flow)
    if run_id is None:
        raise CommandException(_NO_ORIGIN)
    return run_id


def _origin(given: Optional[str], flow: str, root: str) -> str:
    """The run to be resumed: `--origin-run-id`, else the latest one. Raises CommandException for what no run can be called."""
    if given is None:
        return latest_run(flow, root)
    if not given or "/" in given or given.startswith("."):
        raise CommandException(
            "--origin-run-id takes the id of a run of %s, as in `--origin-run-id 1767323045678901`, not '%s'." % (flow, given)
        )
    return given


def _origin_in(args: List[str]) -> Optional[str]:
    """`--origin-run-id` among the words after the command, which are not parsed yet."""
    for i, word in enumerate(args):
        if word == "--origin-run-id" and i + 1 < len(args):
            return args[i + 1]
        if word.startswith("--origin-run-id="):
            return word.partition("=")[2]
    return None


def load_origin_configs(state: CliState, args: List[str]) -> Dict[str, Any]:
    """The values that the flow's Configs had in the run to be resumed, by name; also stored in the flow's state."""
    from ..client import store
    from ..flow_state import FlowStateItems
    from .configs import by_option, configs_of

    flow_cls = state.flow.__class__
    root = state.datastore_impl.datastore_root
    origin = _origin(_origin_in(args), state.flow.name, runs_root(state.datastore_impl, state.echo))
    path = [state.flow.name, origin, "_parameters", "0"]
    found = store.manifest(root, path)
    if found is None:
        raise CommandException("The run %s/%s has no stored parameters to resume from." % (state.flow.name, origin))
    manifest, _ = found
    names = {config.name: name for name, config in flow_cls._get_parameters() if config.IS_CONFIG_PARAMETER}
    stored = flow_cls._flow_state.self_data[FlowStateItems.CONFIGS]
    stored.clear()
    for config in configs_of(flow_cls):
        artifact = names[config.name]
        key = manifest["objects"].get(artifact)
        value = None
        if key is not None:
            size = manifest["info"].get(artifact, {}).get("size", -1)
            value = store.load(root, state.flow.name, key, artifact, "/".join(path[1:]), size)
        stored[config.name] = (value, config.kwargs["plain"])
    return by_option(stored)


@click.command(help="Resume execution of a previous run of this flow.")
@click.argument("step-to-rerun", required=False)
@click.option(
    "--origin-run-id", help="ID of the run that should be resumed. By default, the last run executed locally."
)
@click.option(
    "--run-id", help="Run ID for the new run. By default, a new run-id will be generated", hidden=True
)
@click.option(
    "--clone-only/--no-clone-only",
    default=False,
    show_default=True,
    help="Only clone tasks without continuing execution",
    hidden=True,
)
@click.option(
    "--reentrant/--no-reentrant",
    default=False,
    show_default=True,
    hidden=True,
    help="If specified, allows this call to be called in parallel",
)
@click.option(
    "--resume-identifier",
    hidden=True,
    help="If specified, it identifies the task that started this resume call. It is in the form of "
    "{step_name}-{task_id}",
)
@run_options
@runner_options
@click.pass_obj
def resume(
    obj: Any,
    tags: List[str],
    step_to_rerun: Optional[str],
    origin_run_id: Optional[str],
    run_id: Optional[str],
    clone_only: bool,
    reentrant: bool,
    resume_identifier: Optional[str],
    max_workers: int,
    max_num_splits: int,
    max_log_size: int,
    decospecs: Any,
    run_id_file: Optional[str],
    runner_attribute_file: Optional[str],
) -> None:
    before_run(obj, tags, decospecs)
    origin_run_id = _origin(origin_run_id, obj.flow.name, runs_root(obj.flow_datastore, obj.echo))
    if step_to_rerun is not None and step_to_rerun not in obj.graph:
        raise CommandException(
            "invalid step name %s specified, must be step present in current form of execution graph. Valid step names "
            "include: %s" % (step_to_rerun, ",".join(obj.graph.nodes))
        )
    if run_id is not None and _is_integer(run_id):
        raise CommandException("run-id %s cannot be an integer" % run_id)
    if run_id is not None and run_id == origin_run_id:
        raise CommandException("The run *%s* cannot be resumed into itself: give another --run-id." % run_id)
    if reentrant and not (clone_only and run_id and resume_identifier):
        raise CommandException(
            "`resume --reentrant` is for several commands that clone one run together, and needs --clone-only, --run-id and "
            "--resume-identifier."
        )
    spec = spec_of(
        obj, "resume", limits_of(max_workers, max_num_splits, max_log_size), (run_id_file, runner_attribute_file)
    )
    rerun = obj.graph.descendants(step_to_rerun) if step_to_rerun else set()
    spec["resume"] = {
        "origin_run_id": origin_run_id,
        "rerun": [name for name in obj.graph.sorted_nodes if name in rerun],
        "run_id": run_id,
        "clone_only": clone_only,
        "reentrant_as": resume_identifier if reentrant else None,
    }
    # Parameters are those of the origin run: the engine takes them over.
    specs = list(decospecs) + obj.tl_decospecs
    start_run(obj.flow, spec, [], step_command(obj, specs), pods_of(obj, specs))


def _is_integer(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True
