"""`kubernetes`: the pods of a flow's runs."""

from __future__ import annotations

from typing import Any, Callable, List, Optional

import click

from ..errors import CommandException
from .group import Group

_Command = Callable[..., None]


@click.group(cls=Group, help="Commands related to Kubernetes.")
def kubernetes() -> None:
    pass


def _which_pods(command: _Command) -> _Command:
    for option in (
        click.option("--run-id", default=None, help="List unfinished Kubernetes tasks corresponding to the run id."),
        click.option("--user", default=None, help="List unfinished Kubernetes tasks for the given user."),
        click.option("--my-runs", default=False, is_flag=True, help="List all my unfinished Kubernetes tasks."),
    ):
        command = option(command)
    return command


@kubernetes.command("list", help="List unfinished Kubernetes tasks of this flow.")
@_which_pods
@click.pass_obj
def list_pods(obj: Any, my_runs: bool, user: Optional[str], run_id: Optional[str]) -> None:
    _ask_engine(obj, "list", my_runs, user, run_id)


@kubernetes.command(help="Terminate unfinished Kubernetes tasks of this flow.")
@_which_pods
@click.pass_obj
def kill(obj: Any, my_runs: bool, user: Optional[str], run_id: Optional[str]) -> None:
    _ask_engine(obj, "kill", my_runs, user, run_id)


@kubernetes.command("step", hidden=True, context_settings={"ignore_unknown_options": True},
                    help="Internal command of Metaflow; not used here.")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def step(words: Any) -> None:
    raise CommandException(
        "`kubernetes step` is how Metaflow starts one pod. Headrace starts pods from its engine: start a run with "
        "`run --with kubernetes`."
    )


def _namespaces(obj: Any) -> List[str]:
    """Kubernetes namespaces of the flow's steps as they are decorated here, and the configured one."""
    from .. import settings
    from ..pods import kubernetes_of

    found = [str(settings.KUBERNETES_NAMESPACE)]
    for node in obj.graph:
        deco = kubernetes_of(node.decorators)
        if deco is not None and deco.attributes["namespace"] not in found:
            found.append(deco.attributes["namespace"])
    return found


def _ask_engine(obj: Any, verb: str, my_runs: bool, user: Optional[str], run_id: Optional[str]) -> None:
    from ..decorators.cloud_values import parse_cli_options
    from ..engine import become_engine, engine_path

    flow, run_id, user = parse_cli_options(obj.flow.name, run_id, user, my_runs, obj.echo)
    command = ["pods", verb, "--flow", flow]
    command += ["--run-id", run_id] if run_id else []
    command += ["--user", user] if user else []
    for namespace in _namespaces(obj):
        command += ["--namespace", namespace]
    from ..stdio import flush_stdio

    flush_stdio()
    become_engine(engine_path(), command)
