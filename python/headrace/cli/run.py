"""`run`: checks the flow, gathers what the engine must know, and becomes the engine."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

import click

from .. import settings
from ..errors import CommandException
from ..identity import get_username, resolve_identity
from ..pods import make_package
from ..spec import Constant, Identity, Roots, base_spec, constants_of, start_run, sysmeta_of
from ..tags import validate_tags
from . import context
from .options import ParameterCommand, run_options, runner_options
from .start import attach_decospecs, init_step_decorators, refuse_remote_datastore
from .step_command import pods_of, step_command


def before_run(obj: Any, tags: Any, decospecs: Any, skip_decorators: bool = False) -> None:
    """Decorators of `--with`, checks, decorators' last hook. Raises before anything of the run exists."""
    validate_tags(tags)
    obj.environment.ask_git()
    if not skip_decorators:
        specs = list(decospecs or []) + obj.tl_decospecs + list(obj.environment.decospecs() or [])
        attach_decospecs(obj, specs)
        obj.check(obj.graph, obj.flow, obj.environment, pylint=obj.pylint)
        init_step_decorators(obj)
    if obj.is_spin:
        from ..decorators.attach import drop_skipped_in_spin

        drop_skipped_in_spin(obj.flow, skip_decorators)
    obj.graph = obj.flow._graph
    obj.metadata.add_sticky_tags(tags=tags)
    obj.package = make_package(obj)
    _init_runtime(obj)
    refuse_remote_datastore(obj.flow_datastore.TYPE)


def _init_runtime(obj: Any) -> None:
    for node in obj.graph:
        for deco in node.decorators:
            hook = getattr(deco, "runtime_init_ctx", None)
            if hook is not None:
                hook(obj.package, None)
            else:
                deco.runtime_init(obj.flow, obj.graph, obj.package, None)


def spec_of(
    obj: Any, command: str, limits: Dict[str, int], files: Any, user_namespace: Optional[str] = None
) -> Dict[str, Any]:
    """The flow spec but for its constants and what is special to a command."""
    for option, path in zip(("--run-id-file", "--runner-attribute-file"), files):
        if path:
            _check_writable(option, path)
    script = os.path.basename(context.script_path())
    namespace = resolve_identity() if user_namespace is None else user_namespace
    identity = Identity(
        user=get_username() or "",
        namespace=namespace,
        tags=obj.metadata.sticky_tags,
        sys_tags=obj.metadata.sticky_sys_tags,
        sysmeta=sysmeta_of(context.system_info(), script, obj.environment.git_info()),
    )
    store = obj.flow_datastore
    roots = Roots(store.TYPE, store.datastore_root, obj.metadata.root, settings.UI_URL or "")
    return base_spec(command, obj.flow, obj.graph, script, obj.entrypoint, roots, identity, limits, files)


def gather_values(obj: Any, spec: Dict[str, Any], parameters: Dict[str, Any]) -> List[Constant]:
    """What `_parameters` holds; the files that it includes are put into the spec, for the engine to store."""
    from ..includefile import collected

    with collected(obj.flow_datastore) as includes:
        constants = constants_of(obj.flow, obj.graph, parameters, obj.config_options)
    spec["includes"] = includes
    return constants


def _check_writable(option: str, path: str) -> None:
    """Raises CommandException, before there is a run, for a file that the engine could not write. It is not opened: a
    FIFO would tell its reader."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        why = "it is a directory"
    elif not os.path.isdir(folder):
        why = "there is no directory %s" % folder
    elif not os.access(path if os.path.exists(path) else folder, os.W_OK):
        why = "permission is missing"
    else:
        return
    raise CommandException("The file %s of %s cannot be written: %s." % (path, option, why))


def limits_of(max_workers: int, max_num_splits: int, max_log_size: int) -> Dict[str, int]:
    """max_log_size: in MiB. Raises click.BadParameter for a limit that lets nothing run."""
    for name, value, least in (
        ("--max-workers", max_workers, 1), ("--max-num-splits", max_num_splits, 1), ("--max-log-size", max_log_size, 0)
    ):
        if value < least:
            raise click.BadParameter("%d is less than %d" % (value, least), param_hint="'%s'" % name)
    return {
        "max_workers": max_workers,
        "max_num_splits": max_num_splits,
        "max_log_bytes": max_log_size * 1024 * 1024,
    }


@click.command(cls=ParameterCommand, help="Run the workflow locally.")
@run_options
@runner_options
@click.option(
    "--namespace",
    "user_namespace",
    help="Change namespace from the default (your username) to the specified tag. Note that this option does not alter "
    "tags assigned to the objects produced by this run, just what existing objects are visible in the client API. You "
    "can enable the global namespace with an empty string. --namespace=",
)
@click.pass_obj
def run(
    obj: Any,
    /,
    tags: List[str],
    max_workers: int,
    max_num_splits: int,
    max_log_size: int,
    decospecs: Any,
    run_id_file: Optional[str],
    runner_attribute_file: Optional[str],
    user_namespace: Optional[str],
    **parameters: Any,
) -> None:
    before_run(obj, tags, decospecs)
    spec = spec_of(
        obj,
        "run",
        limits_of(max_workers, max_num_splits, max_log_size),
        (run_id_file, runner_attribute_file),
        user_namespace,
    )
    constants = gather_values(obj, spec, parameters)
    specs = list(decospecs) + obj.tl_decospecs
    start_run(obj.flow, spec, constants, step_command(obj, specs), pods_of(obj, specs))
