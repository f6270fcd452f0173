"""`tag`: the tags of runs, shown and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, FrozenSet, Iterable, List, Optional, Set, Tuple

import click

from ..errors import CommandException, MetaflowInternalError, MetaflowNamespaceMismatch, MetaflowNotFound
from ..identity import resolve_identity
from .group import Group
from .stored import use_metadata

if TYPE_CHECKING:
    from ..client import Run

_WIDTH = 120
_GAP = 4
_HEADER = "\nSystem tags and *tags*; only *tags* can be modified\n%s\n" % ("-" * 56)


@click.group(cls=Group, help="Commands related to tagging.")
@click.pass_obj
def tag(obj: Any) -> None:
    use_metadata(obj)


def _run_options(command: Any) -> Any:
    command = click.option(
        "--namespace",
        "user_namespace",
        help="Change namespace from the default (your username) to the one specified.",
    )(command)
    # Not required for click: the message below can name the latest run.
    return click.option("--run-id", help="Run ID of the specific run to tag. [required]")(command)


@tag.command("add", help="Add tags to a run.")
@_run_options
@click.argument("tags", required=True, nargs=-1)
@click.pass_obj
def add(obj: Any, run_id: Optional[str], user_namespace: Optional[str], tags: Tuple[str, ...]) -> None:
    run = _run_to_tag(obj, run_id, user_namespace)
    run.add_tags(tags)
    obj.echo("Operation successful. New tags:", err=False)
    _print_run(obj, run)


@tag.command("remove", help="Remove tags from a run.")
@_run_options
@click.argument("tags", required=True, nargs=-1)
@click.pass_obj
def remove(obj: Any, run_id: Optional[str], user_namespace: Optional[str], tags: Tuple[str, ...]) -> None:
    run = _run_to_tag(obj, run_id, user_namespace)
    run.remove_tags(tags)
    obj.echo("Operation successful. New tags:")
    _print_run(obj, run)


@tag.command(
    "replace",
    help="Replace one or more tags of a run atomically. Removals are applied first, then additions.",
)
@_run_options
@click.option(
    "--add", "tags_to_add", multiple=True, help="Add this tag to a run. Must specify one or more tags to add."
)
@click.option(
    "--remove",
    "tags_to_remove",
    multiple=True,
    help="Remove this tag from a run. Must specify one or more tags to remove.",
)
@click.pass_obj
def replace(
    obj: Any,
    run_id: Optional[str],
    user_namespace: Optional[str],
    tags_to_add: Tuple[str, ...],
    tags_to_remove: Tuple[str, ...],
) -> None:
    if not tags_to_add and not tags_to_remove:
        raise CommandException("Specify at least one tag to add (--add) and one tag to remove (--remove)")
    if not tags_to_remove:
        raise CommandException("Specify at least one tag to remove; else please use *tag add*.")
    if not tags_to_add:
        raise CommandException("Specify at least one tag to add, else please use *tag remove*.")
    run = _run_to_tag(obj, run_id, user_namespace)
    run.replace_tags(tags_to_remove, tags_to_add)
    obj.echo("Operation successful. New tags:")
    _print_run(obj, run)


@tag.command("list", help="List tags of a run.")
@click.option("--run-id", help="Run ID of the specific run to list.")
@click.option("--all", "list_all", is_flag=True, help="List tags across all runs of this flow.")
@click.option(
    "--my-runs", is_flag=True, help="List tags across all runs of the flow under the default namespace."
)
@click.option("--hide-system-tags", is_flag=True, help="Hide system tags.")
@click.option("--group-by-tag", is_flag=True, help="Display results by showing runs grouped by tags")
@click.option("--group-by-run", is_flag=True, help="Display tags grouped by run")
@click.option("--flat", is_flag=True, hidden=True, help="List tags, one line per tag, no groupings")
@click.argument("arg_run_id", required=False)
@click.pass_obj
def tag_list(
    obj: Any,
    run_id: Optional[str],
    list_all: bool,
    my_runs: bool,
    hide_system_tags: bool,
    group_by_tag: bool,
    group_by_run: bool,
    flat: bool,
    arg_run_id: Optional[str],
) -> None:
    if list_all and my_runs:
        raise CommandException("Option --all cannot be used together with --my-runs.")
    if run_id is not None and arg_run_id is not None:
        raise CommandException("Specify a run either using --run-id or as an argument but not both")
    if group_by_run and group_by_tag:
        raise CommandException("Option --group-by-tag cannot be used with --group-by-run")
    if flat and (group_by_run or group_by_tag):
        raise CommandException("Option --flat cannot be used with any --group-by-* option")
    run_id = run_id if run_id is not None else arg_run_id
    if my_runs or list_all or run_id is None:
        runs = _all_runs(obj, resolve_identity() if my_runs else None)
    else:
        runs = [_run_to_tag(obj, run_id, None, any_namespace=True)]
    if group_by_tag:
        _print_by_tag(obj, runs, hide_system_tags)
        return
    if group_by_run:
        groups = [(run.pathspec, run.system_tags, run.tags) for run in runs]
    else:
        system = frozenset(t for run in runs for t in run.system_tags)
        every = frozenset(t for run in runs for t in run.tags)
        groups = [(",".join(run.pathspec for run in runs), system, every)]
    if hide_system_tags:
        groups = [(name, frozenset(), every - system) for name, system, every in groups]
    if flat:
        if len(groups) != 1:
            raise MetaflowInternalError("Failed to flatten tag set")
        for name in sorted(groups[0][2]):
            obj.echo(name)
        return
    _print_by_run(obj, groups)


# Which run


def _run_to_tag(obj: Any, run_id: Optional[str], user_namespace: Optional[str], any_namespace: bool = False) -> "Run":
    """The run of this id, in the namespace given or the user's own. Raises CommandException."""
    from ..client import Flow, Run, namespace

    flow_name = obj.flow.name
    if user_namespace is None and not any_namespace:
        user_namespace = resolve_identity()
    namespace(user_namespace)
    try:
        flow = Flow(flow_name)
    except MetaflowNotFound:
        raise CommandException("No run found for *%s*. Please run the flow before tagging." % flow_name) from None
    except MetaflowNamespaceMismatch:
        raise CommandException(
            "No run found for *%s* in namespace *%s*. You can switch the namespace using --namespace"
            % (flow_name, user_namespace)
        ) from None
    if run_id is None:
        latest = flow.latest_run
        raise CommandException(
            "Please specify a run-id using --run-id.\n*%s*'s latest run in namespace *%s* has id *%s*."
            % (flow_name, user_namespace, latest.id if latest else None)
        )
    if "/" in run_id:
        raise CommandException("Run-id *%s* is not a valid run-id" % run_id)
    pathspec = "%s/%s" % (flow_name, run_id)
    try:
        return Run(pathspec)
    except MetaflowNotFound:
        raise CommandException("No run *%s* found for flow *%s*" % (pathspec, flow_name)) from None
    except MetaflowNamespaceMismatch:
        raise CommandException(
            "Run *%s* for flow *%s* does not belong to namespace *%s*\n" % (pathspec, flow_name, user_namespace)
        ) from None


def _all_runs(obj: Any, user_namespace: Optional[str]) -> List["Run"]:
    from ..client import Flow, namespace

    namespace(user_namespace)
    try:
        return list(Flow(obj.flow.name).runs())
    except MetaflowNotFound:
        raise CommandException(
            "Cannot list tags because the flow %s has never been run." % obj.flow.name
        ) from None


# Tables

_Group = Tuple[str, FrozenSet[str], FrozenSet[str]]


def _print_run(obj: Any, run: "Run") -> None:
    _print_by_run(obj, [(run.pathspec, run.system_tags, run.tags)])


def _print_by_run(obj: Any, groups: Iterable[_Group]) -> None:
    """(heading, system tags, all tags) of each group."""
    groups = sorted(groups)
    obj.echo(_HEADER, err=False)
    for name, system, every in groups:
        if obj.is_quiet:
            parts = [name, ",".join(sorted(system)), ",".join(sorted(every - system))]
            obj.echo_always(" ; ".join(parts))
            continue
        lines = ["For run %s" % name] if len(groups) > 1 else []
        lines += _table(sorted(every), starred=every - system)
        obj.echo("\n".join(lines + [""]), err=False)


def _print_by_tag(obj: Any, runs: List["Run"], hide_system_tags: bool) -> None:
    user: Dict[str, List[str]] = {}
    system: Dict[str, List[str]] = {}
    for run in runs:
        for name in run.user_tags - run.system_tags:
            user.setdefault(name, []).append(run.pathspec)
        for name in () if hide_system_tags else run.system_tags:
            system.setdefault(name, []).append(run.pathspec)
    obj.echo(_HEADER, err=False)
    for name in sorted(set(user) | set(system)):
        for kind, tags, title in (("user", user, "*%s*"), ("system", system, "%s")):
            if name not in tags:
                continue
            if obj.is_quiet:
                obj.echo_always("%s:%s ; %s" % (kind, name, ",".join(tags[name])))
            else:
                lines = ["For tag %s" % (title % name)] + _table(sorted(tags[name]), starred=set())
                obj.echo("\n".join(lines + [""]), err=False)


def _table(words: List[str], starred: "Set[str] | FrozenSet[str]") -> List[str]:
    """The words in columns of equal width, filled from top to bottom; the starred ones between asterisks.

    The asterisks are not shown but make a word stand out, so they do not count in the width.
    """
    width = max((len(word) for word in words), default=0)
    columns = (_WIDTH + _GAP) // (width + _GAP) or 1
    height = -(-len(words) // columns)
    cells = [("*%s*" % word if word in starred else word).ljust(width + (2 if word in starred else 0)) for word in words]
    cells += [" " * max(width, 1)] * (height * columns - len(words))
    return [(" " * _GAP).join(cells[row + column * height] for column in range(columns)) for row in range(height)]
