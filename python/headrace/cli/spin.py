"""`spin`: one step once more, with the inputs that an earlier task had."""

from __future__ import annotations

import functools
from typing import Any, Dict, List, Optional, Tuple

import click

from .. import settings
from ..errors import CommandException, MetaflowException, MetaflowNotFound
from ..spec import start_run
from . import context
from .context import runs_root
from .options import runner_options
from .run import before_run, limits_of, spec_of
from .step_command import step_command


def parse_spin_pathspec(pathspec: str, flow_name: str) -> "Tuple[str, Optional[str]]":
    """(step, `flow/run/step[/task]` or None if only a step was named). Raises CommandException."""
    parts = pathspec.split("/")
    if len(parts) == 1:
        return pathspec, None
    if len(parts) == 2:
        return parts[1], "%s/%s" % (flow_name, pathspec)
    if len(parts) == 3 and parts[0] == flow_name:
        return parts[2], pathspec
    if len(parts) == 3:
        return parts[1], "%s/%s" % (flow_name, pathspec)
    if len(parts) == 4:
        if parts[0] != flow_name:
            raise CommandException(
                "Flow name '%s' in pathspec does not match current flow '%s'." % (parts[0], flow_name)
            )
        return parts[2], pathspec
    raise CommandException(
        "Invalid pathspec format: '%s'. \n"
        "Expected formats:\n"
        "  - step_name (e.g., 'start')\n"
        "  - run_id/step_name (e.g., '221165/start')\n"
        "  - run_id/step_name/task_id (e.g., '221165/start/1350987')\n"
        "  - flow_name/run_id/step_name (e.g., 'ScalableFlow/221165/start')\n"
        "  - flow_name/run_id/step_name/task_id (e.g., 'ScalableFlow/221165/start/1350987')" % pathspec
    )


def _earlier_task(obj: Any, step_name: str, pathspec: Optional[str]) -> Any:
    """The task whose inputs are used."""
    from ..client import Flow, Step, Task

    if pathspec is not None and pathspec.count("/") == 3:
        try:
            return Task(pathspec, _namespace_check=False)
        except MetaflowException:
            raise MetaflowException("Invalid pathspec: %s for step: %s" % (pathspec, step_name)) from None
    if pathspec is not None:
        run_id = pathspec.split("/")[1]
    else:
        run = Flow(obj.flow.name).latest_run
        if run is None:
            raise MetaflowNotFound("No run found for flow %s" % obj.flow.name)
        run_id = run.id
    try:
        task = Step("%s/%s/%s" % (obj.flow.name, run_id, step_name)).task
    except MetaflowException:
        task = None
    if task is None:
        raise MetaflowNotFound("No task found for step %s in run %s" % (step_name, run_id))
    hint = "To make spin even faster, provide complete pathspec %s%s"
    obj.logger(hint % ("" if pathspec is None else "with task_id: ", task.pathspec), system_msg=True)
    return task


def _read_where_runs_are(root: str) -> None:
    """Lets the client read the runs whose metadata is at `root`."""
    from ..client import state
    from ..client.provider import Provider

    provider = Provider("local", None)
    provider._root = root
    state.current_metadata = provider


def _inputs_of(obj: Any, task: Any, step_name: str) -> List[str]:
    """run/step/task of each input of `task`."""
    if step_name == obj.graph.start_step:
        return ["%s/_parameters/0" % task.pathspec.split("/")[1]]
    return [parent.pathspec.partition("/")[2] for parent in task.parent_tasks]


def keep_spin_decorators(step_func: Any, skip_all: bool) -> None:
    """Leaves on a step only the decorators that a spin heeds. Raises MetaflowException for one that cannot be spun."""
    for deco in step_func.decorators:
        if deco.name in settings.SPIN_DISALLOWED_DECORATORS:
            raise MetaflowException("Spinning steps with @%s decorator is not supported." % deco.name)
    step_func.decorators[:] = [
        deco
        for deco in step_func.decorators
        if not skip_all and any(deco.name.startswith(name) for name in settings.SPIN_ALLOWED_DECORATORS)
    ]


def load_artifacts(path: str) -> Dict[str, Any]:
    """The dict ARTIFACTS of the module at `path`. Raises CommandException."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("spin_artifacts", path)
    if spec is None or spec.loader is None:
        raise CommandException("The artifacts module '%s' is not a Python file." % path)
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as e:
        raise CommandException("The artifacts module '%s' cannot be imported: %s" % (path, e)) from e
    values = getattr(module, "ARTIFACTS", None)
    if not isinstance(values, dict):
        raise CommandException("The artifacts module '%s' must define a dictionary ARTIFACTS." % path)
    return values


def prepare_spun_step(flow: Any, step_name: str, artifacts: Dict[str, Any], persist: bool) -> None:
    """Replaces the step in the flow's class: artifacts take the place of its inputs', and nothing is kept unless asked."""
    original = getattr(flow.__class__, step_name)
    flow.__class__._stands_alone = "whole" if persist else "empty"
    flow.__class__._EPHEMERAL = flow.__class__._EPHEMERAL | {"_stands_alone"}

    @functools.wraps(original)
    def spun(self: Any, *inputs: Any) -> Any:
        for holder in [self] + [one for group in inputs for one in group]:
            for name, value in artifacts.items():
                setattr(holder, name, value)
        try:
            return original(self, *inputs)
        finally:
            if not persist:
                own = {name for name in self.__dict__ if not name.startswith("_") and name != "name"}
                self._EPHEMERAL = self._EPHEMERAL | own | set(artifacts)

    setattr(flow.__class__, step_name, spun)


@click.command(help="Spins up a task for a given step from a previous run locally.")
@click.argument("pathspec")
@click.option(
    "--skip-decorators/--no-skip-decorators",
    default=False,
    show_default=True,
    help="Skip decorators attached to the step or flow.",
)
@click.option(
    "--artifacts-module",
    help="Path to a module that contains artifacts to be used in the spun step. The artifacts should be defined as a "
    "dictionary called ARTIFACTS with keys as the artifact names and values as the artifact values. The artifact values "
    "will overwrite the default values of the artifacts used in the spun step.",
)
@click.option(
    "--persist/--no-persist",
    default=lambda: settings.SPIN_PERSIST,
    show_default=str(False),
    help="Whether to persist the artifacts in the spun step. If set to False, the artifacts will not be persisted and "
    "will not be available in the spun step's datastore.",
)
@click.option(
    "--max-log-size",
    default=10,
    show_default=True,
    help="Maximum size of stdout and stderr captured in megabytes. If a step outputs more than this to stdout/stderr, "
    "its output will be truncated.",
)
@runner_options
@click.pass_obj
def spin(
    obj: Any,
    pathspec: str,
    skip_decorators: bool,
    artifacts_module: Optional[str],
    persist: bool,
    max_log_size: int,
    run_id_file: Optional[str],
    runner_attribute_file: Optional[str],
) -> None:
    step_name, full_path = parse_spin_pathspec(pathspec, obj.flow.name)
    before_run(obj, [], [], skip_decorators)
    obj.echo("Spinning up step *%s* locally for flow *%s*" % (step_name, obj.flow.name))
    step_func = getattr(obj.flow, step_name, None) if step_name in obj.graph else None
    if step_func is None:
        raise CommandException(
            "Step '%s' not found in flow '%s'. Please provide a valid step name." % (step_name, obj.flow.name)
        )
    origin_root = obj.datastore_impl.datastore_root
    _read_where_runs_are(runs_root(obj.datastore_impl, obj.echo))
    task = _earlier_task(obj, step_name, full_path)
    keep_spin_decorators(step_func, skip_decorators)
    artifacts = load_artifacts(artifacts_module) if artifacts_module else {}
    prepare_spun_step(obj.flow, step_name, artifacts, persist)
    spec = spec_of(obj, "spin", limits_of(1, 100, max_log_size), (run_id_file, runner_attribute_file))
    input_root = str(task.metadata_dict.get("ds-root", origin_root))
    spec["spin"] = {
        "step": step_name,
        "inputs": _inputs_of(obj, task, step_name),
        "input_root": input_root,
        "runs_root": runs_root(context.Datastore(obj.flow.name, obj.datastore_impl.TYPE, input_root), obj.echo),
        "split_index": task.index,
    }
    command = step_command(obj, obj.tl_decospecs)
    start_run(obj.flow, spec, [], command + _spin_options(skip_decorators, artifacts_module, persist))


def _spin_options(skip_decorators: bool, artifacts_module: Optional[str], persist: bool) -> List[str]:
    """Top-level options for a task in an interpreter of its own: what `step` must do again there."""
    import json
    import os

    path = os.path.abspath(artifacts_module) if artifacts_module else None
    return ["--mode", "spin", "--spin", json.dumps({"skip": skip_decorators, "artifacts": path, "persist": persist})]
