"""`card`: the cards of tasks, shown, listed and served. `create` is in `headrace.cards`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Tuple

import click

from ..client.cards import (
    Card,
    CardNotPresentException,
    TaskNotFoundException,
    default_card_root,
    find_cards,
    task_of_cards,
)
from ..errors import CommandException, MetaflowNamespaceMismatch, MetaflowNotFound
from .group import LazyGroup
from .stored import use_metadata

if TYPE_CHECKING:
    from ..client import Run, Task

_SHORT_HASH_CHARS = 5
_CACHE = "metaflow_card_cache"


@click.group(
    cls=LazyGroup, lazy={"create": "headrace.cards.create:create"}, help="Commands related to @card decorator."
)
@click.pass_obj
def card(obj: Any) -> None:
    use_metadata(obj)


def _query_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option(
            "--follow-resumed/--no-follow-resumed",
            default=True,
            show_default=True,
            help="Follow the origin-task-id of resumed tasks to seek cards stored for resumed tasks.",
        ),
        click.option("--id", "card_id", show_default=True, help="Id of the card"),
        click.option("--type", "card_type", show_default=True, help="Type of card"),
        click.option("--hash", "card_hash", show_default=True, help="Hash of the stored HTML"),
    ):
        command = option(command)
    return command


@card.command()
@click.argument("pathspec")
@_query_options
@click.pass_obj
def view(obj: Any, /, pathspec: str, **query: Any) -> None:
    """
    View the HTML card in browser based on the pathspec.\n
    The pathspec can be of the form:\n
        - <stepname>\n
        - <runid>/<stepname>\n
        - <runid>/<stepname>/<taskid>\n
    """
    task_pathspec, found = _resolve(obj, pathspec, **query)
    if len(found) != 1:
        _list_cards(obj, task_pathspec, found, command="view")
        return
    import webbrowser

    file = os.path.join(_CACHE, found[0].path)
    _save(found[0], file)
    webbrowser.open("file://" + os.path.abspath(file))


@card.command()
@click.argument("pathspec")
@click.argument("path", required=False)
@_query_options
@click.pass_obj
def get(obj: Any, /, pathspec: str, path: Optional[str], **query: Any) -> None:
    """
    Get the HTML string of the card based on pathspec.\n
    The pathspec can be of the form:\n
        - <stepname>\n
        - <runid>/<stepname>\n
        - <runid>/<stepname>/<taskid>\n

    Save the card by adding the `path` argument.
    ```
    python myflow.py card get start a.html --type default
    ```
    """
    task_pathspec, found = _resolve(obj, pathspec, **query)
    if len(found) != 1:
        _list_cards(obj, task_pathspec, found, command="get")
    elif path is not None:
        _save(found[0], path)
    else:
        print(found[0].get())


@card.command("list")
@click.argument("pathspec", required=False)
@_query_options
@click.option("--as-json", is_flag=True, help="Print all available cards as a JSON object")
@click.option("--file", help="Save the available card list to file.")
@click.pass_obj
def list_cards(obj: Any, /, pathspec: Optional[str], as_json: bool, file: Optional[str], **query: Any) -> None:
    if pathspec is None:
        _list_run(obj, as_json, file, query)
        return
    task_pathspec, found = _resolve(obj, pathspec, quiet=as_json, **query)
    if as_json:
        _write_json(obj, _described(task_pathspec, found), file)
    else:
        _list_cards(obj, task_pathspec, found)


@card.command(help="Run local card viewer server")
@click.option("--run-id", show_default=True, help="Run ID of the flow")
@click.option(
    "--port",
    default=8324,
    show_default=True,
    type=int,
    help="Port on which Metaflow card viewer server will run",
)
@click.option("--namespace", "user_namespace", show_default=True, help="Namespace of the flow")
@click.option(
    "--poll-interval",
    default=5,
    show_default=True,
    type=int,
    help="Polling interval of the card viewer server.",
)
@click.option(
    "--max-cards",
    default=30,
    show_default=True,
    type=int,
    help="Maximum number of cards to be shown at any time by the card viewer server",
)
@click.pass_obj
def server(
    obj: Any,
    run_id: Optional[str],
    port: int,
    user_namespace: Optional[str],
    poll_interval: int,
    max_cards: int,
) -> None:
    from ..client import namespace
    from ..identity import resolve_identity
    from .card_server import CardServer

    if run_id is not None:
        run: Optional["Run"] = _run_of_id(obj, run_id)
    else:
        user_namespace = resolve_identity() if user_namespace is None else user_namespace
        obj.echo("Searching for runs in namespace: %s" % user_namespace, fg="blue", bold=False)
        namespace(user_namespace)
        run = _latest_run(obj, user_namespace)
    if run is not None:
        obj.echo("Using run-id %s" % run.pathspec, fg="blue", bold=False)
    cards = CardServer(
        obj.flow.name, run, _card_root(obj), follow_new_runs=run_id is None, max_cards=max_cards, poll_s=poll_interval
    )
    obj.echo("Starting card server on port %d " % port, fg="green", bold=True)
    cards.serve(port)


def _run_of_id(obj: Any, run_id: str) -> "Run":
    from ..client import Run, namespace

    if "/" in run_id:
        raise CommandException(
            "run_id should NOT be of the form: `<flowname>/<runid>`. Please provide only run-id"
        )
    namespace(None)
    try:
        return Run("%s/%s" % (obj.flow.name, run_id))
    except MetaflowNotFound:
        raise CommandException("No run (%s) found for *%s*." % (run_id, obj.flow.name)) from None


def _latest_run(obj: Any, user_namespace: str) -> Optional["Run"]:
    """The newest run in the namespace; None, and it is said, if there is none yet."""
    from ..client import Flow

    try:
        return Flow(obj.flow.name).latest_run
    except MetaflowNotFound:
        obj.echo("No run found for *%s*." % obj.flow.name, fg="red")
    except MetaflowNamespaceMismatch:
        obj.echo(
            "No run found for *%s* in namespace *%s*. You can switch the namespace using --namespace"
            % (obj.flow.name, user_namespace),
            fg="red",
        )
    return None


# Finding


def _card_root(obj: Any) -> str:
    return default_card_root(obj.flow_datastore.datastore_root, obj.flow_datastore.TYPE)


def _resolve(
    obj: Any,
    pathspec: str,
    card_hash: Optional[str] = None,
    card_type: Optional[str] = None,
    card_id: Optional[str] = None,
    follow_resumed: bool = True,
    quiet: bool = False,
) -> Tuple[str, List[Card]]:
    """(pathspec of the task that has them, its cards that answer the query).

    Raises TaskNotFoundException, or CardNotPresentException if there are none.
    """
    task = _task_at(obj.flow.name, pathspec)
    origin = None
    said = "Resolving card: %s" % task.pathspec
    if follow_resumed:
        origin = task_of_cards(task)
        if origin:
            said = "Resolving card resumed from: %s" % origin
    if not quiet:
        obj.echo(said, fg="green")
    where = origin or task.pathspec
    found = find_cards(_card_root(obj), where, type=card_type, card_hash=card_hash, card_id=card_id, origin=origin)
    if not found:
        raise CardNotPresentException(where, card_hash=card_hash, card_type=card_type, card_id=card_id)
    return where, found


def _task_at(flow_name: str, pathspec: str) -> "Task":
    """The task of STEP (of the latest run), RUN/STEP (its newest) or RUN/STEP/TASK."""
    from ..client import Flow, Step, Task, namespace

    parts = pathspec.split("/")
    if len(parts) > 3:
        raise CommandException(
            "The PATHSPEC argument should be of the form 'stepname' Or '<runid>/<stepname>' Or "
            "'<runid>/<stepname>/<taskid>'"
        )
    kind = ("stepname", "step_pathspec", "task_pathspec")[len(parts) - 1]
    run_pathspec = None
    task: Optional["Task"] = None
    try:
        if len(parts) == 1:
            latest = Flow(flow_name).latest_run
            if latest is not None:
                run_pathspec = latest.pathspec
                task = latest[pathspec].task
        else:
            namespace(None)
            path = "%s/%s" % (flow_name, pathspec)
            task = Step(path).task if len(parts) == 2 else Task(path)
    except (KeyError, MetaflowNotFound):
        pass  # Said below, for all three forms.
    if task is None:
        raise TaskNotFoundException(pathspec, kind, run_id=run_pathspec)
    return task


def _save(found: Card, path: str) -> None:
    directory = os.path.dirname(path)
    if directory:
        os.makedirs(directory, exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(found.get())


# Showing


def _described(task_pathspec: str, found: List[Card]) -> Dict[str, Any]:
    return {
        "pathspec": task_pathspec,
        "cards": [{"id": c.id, "hash": c.hash, "type": c.type, "filename": c.filename} for c in found],
    }


def _write_json(obj: Any, value: Any, file: Optional[str]) -> None:
    if file:
        with open(file, "w", encoding="utf-8") as f:
            json.dump(value, f)
    else:
        obj.echo_always(json.dumps(value, indent=4), err=False)


def _list_cards(
    obj: Any, task_pathspec: str, found: List[Card], command: Optional[str] = None, of_many: bool = False
) -> None:
    """What is known of each card; with `command`, an example of how to get one of them."""
    if of_many:
        obj.echo("\tTask: %s" % task_pathspec.split("/")[-1], fg="green")
    else:
        obj.echo("Found %d card matching for your query..." % len(found), fg="green")
    blocks = [""]
    for one in found:
        lines = (
            "",
            "Card Id: %s" % one.id,
            "Card Type: %s" % one.type,
            "Card Hash: %s" % one.hash,
            "Card Path: %s" % os.path.join(_card_root(obj), one.path),
            "",
        )
        blocks.append(("\n" + " " * 8).join(lines))
    obj.echo("\n\t".join(blocks) + "\n", fg="blue")
    if command is not None:
        parts = [">>>", "python", obj.flow.script_name, "card", command, "/".join(task_pathspec.split("/")[1:])]
        parts += ["--hash", found[0].hash[:_SHORT_HASH_CHARS]]
        obj.echo("\n\tExample access from CLI via: \n\t %s\n" % " ".join(parts), fg="yellow")


def _list_run(obj: Any, as_json: bool, file: Optional[str], query: Dict[str, Any]) -> None:
    """The cards of all tasks of the latest run."""
    from ..client import Flow

    run = Flow(obj.flow.name).latest_run
    if run is None:
        raise CommandException("No run found for *%s*." % obj.flow.name)
    if not as_json:
        obj.echo("Listing cards for run %s" % run.pathspec, fg="green")
    every: List[Dict[str, Any]] = []
    for step in run:
        step_named = False
        for task in step:
            try:
                pathspec = "/".join(task.path_components[1:])
                task_pathspec, found = _resolve(obj, pathspec, quiet=True, **query)
            except CardNotPresentException:
                continue
            every.append(_described(task_pathspec, found))
            if as_json:
                continue
            if not step_named:
                obj.echo("Step : %s" % step.id, fg="green")
                step_named = True
            _list_cards(obj, task_pathspec, found, of_many=True)
    if not every:
        raise CardNotPresentException(
            run.pathspec, query.get("card_type"), query.get("card_hash"), query.get("card_id")
        )
    if as_json:
        _write_json(obj, every, file)
