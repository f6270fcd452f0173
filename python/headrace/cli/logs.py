"""`logs`: what tasks printed, shown or overwritten."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Callable, List, Optional, Tuple

import click

from ..client import store
from ..errors import CommandException, EngineError
from .echo import LOGGER_TIMESTAMP, secho
from .stored import parse_input_path, tasks_at

_TIME = "%Y-%m-%dT%H:%M:%S.%f"
_PATH_HELP = "The format for input-path is either <run_id>/<step_name> or <run_id>/<step_name>/<task_id>."


class DefaultGroup(click.Group):
    """A group that takes words which are no command of it as words of its command `default`."""

    default = "show"

    def parse_args(self, ctx: click.Context, args: List[str]) -> List[str]:
        words = [word for word in args if word not in ("--help", "-h")]
        if words and words[0] not in self.commands:
            args = [self.default] + args
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            title = "%s [Default]" % name if name == self.default else name
            rows.append((title, self.commands[name].get_short_help_str(limit=formatter.width)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(cls=DefaultGroup, help="Commands related to logs")
def logs() -> None:
    pass


def _stream_options(verb: str, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for name, default, text in (
            ("both", True, "both stdout and stderr"),
            ("stderr", False, "stderr"),
            ("stdout", False, "stdout"),
        ):
            command = click.option(
                "--%s/--no-%s" % (name, name),
                default=default,
                show_default=True,
                help="%s %s of the %s." % (verb, text, what),
            )(command)
        return click.argument("input-path")(command)

    return add


def _streams(stdout: bool, stderr: bool, both: bool) -> List[str]:
    """The streams that were asked for; one that is named takes the place of `both`."""
    if stdout or stderr:
        both = False
    return [name for name, wanted in (("stdout", stdout or both), ("stderr", stderr or both)) if wanted]


@logs.command(help="Show stdout/stderr produced by a task or all tasks in a step. " + _PATH_HELP)
@_stream_options("Show", "task")
@click.option("--timestamps/--no-timestamps", default=False, show_default=True, help="Show timestamps.")
@click.option("--attempt", type=int, help="Attempt number of a task to show, defaults to the latest attempt.")
@click.pass_obj
def show(
    obj: Any,
    input_path: str,
    stdout: bool,
    stderr: bool,
    both: bool,
    timestamps: bool,
    attempt: Optional[int],
) -> None:
    tasks = tasks_at(obj, *parse_input_path(input_path))
    if not tasks:
        raise CommandException(
            "No Tasks found at the given path -- either none exist or none have started yet"
        )
    for path in tasks:
        obj.echo("Dumping logs of run_id=*%s* step=*%s* task_id=*%s*" % tuple(path[1:]), fg="magenta")
        root, newest = _log_place(obj, path)
        for stream in _streams(stdout, stderr, both):
            obj.echo(stream, bold=True)
            number = newest if attempt is None else attempt
            for stamp, line in store.loglines(root, path, number, stream) if number is not None else ():
                if timestamps:
                    secho(_local_time(stamp) + " ", fg=LOGGER_TIMESTAMP, nl=False)
                secho(line.decode("utf-8", "replace"))


def _log_place(obj: Any, path: List[str]) -> Tuple[str, Optional[int]]:
    """Where the logs of a task are, and its newest attempt; None if none has begun."""
    root = obj.flow_datastore.datastore_root
    begun = store.attempts(root, path)
    return root, begun[-1][0] if begun else None


def _local_time(stamp: str) -> str:
    moment = datetime.strptime(stamp, _TIME)
    if moment.year < 3000:
        # Lines that were stored without a time have one in the year 3000, to come last.
        moment = moment.replace(tzinfo=timezone.utc).astimezone()
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


@logs.command(help="Scrub stdout/stderr produced by a task or all tasks in a step. " + _PATH_HELP)
@_stream_options("Scrub", "step or task")
@click.option("--attempt", type=int, help="Attempt number of a task to scrub, defaults to the latest attempt.")
@click.option("--latest/--all", default=True, help="Scrub latest/all attempts of a step or task")
@click.option(
    "--include-not-done",
    is_flag=True,
    help="Also scrub steps or tasks that are not done. Use this for tasks that did not finish correctly, and could "
    "not otherwise be scrubbed.",
)
@click.pass_obj
def scrub(
    obj: Any,
    input_path: str,
    stdout: bool,
    stderr: bool,
    both: bool,
    attempt: Optional[int],
    latest: bool,
    include_not_done: bool,
) -> None:
    root = obj.flow_datastore.datastore_root
    chosen = []
    for path in tasks_at(obj, *parse_input_path(input_path)):
        chosen += [(path, number) for number in _to_scrub(root, path, attempt, latest, include_not_done)]
    if not chosen:
        raise CommandException(
            "No Tasks found at the given path -- either none exist or they have not finished yet.\n"
            "If you know the task has finished, you can supply --include-not-done to force scrub it."
        )
    failed = False
    for path, number in chosen:
        pathspec = "/".join(path[1:])
        failures = []
        for stream in _streams(stdout, stderr, both):
            try:
                store.scrub_logs(root, path, number, stream, force=include_not_done)
            except EngineError as error:
                failures.append("%s (%s)" % (stream, error.message))
        if failures:
            failed = True
            obj.echo_always("Failed to scrub %s - attempt %s : *%s*" % (pathspec, number, ",".join(failures)))
        else:
            obj.echo("Logs have been scrubbed for %s - attempt %s" % (pathspec, number))
    if failed:
        raise CommandException("Some logs could not be scrubbed; what they hold is still stored.")


def _to_scrub(root: str, path: List[str], attempt: Optional[int], latest: bool, not_done: bool) -> List[int]:
    """Numbers of the attempts of a task whose logs are to be overwritten."""
    begun = store.attempts(root, path)
    if attempt is not None:
        begun = [(number, done) for number, done in begun if number == attempt or (not latest and number < attempt)]
    elif latest:
        begun = begun[-1:]
    return [number for number, done in begun if done or not_done]
