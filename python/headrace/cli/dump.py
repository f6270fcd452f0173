"""`dump`: the artifacts of tasks, printed or written to a file."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Set, Tuple

import click

from ..client import store
from ..errors import CommandException
from .echo import echo_always, echo_dev_null, secho
from .stored import parse_input_path, tasks_at

_INCLUDED_FILE = "<class 'metaflow.includefile.IncludedFile'>"


class _TooLarge:
    """Stands for a value that is not shown. Its text is Metaflow's."""

    def __str__(self) -> str:
        return "< artifact too large >"


@click.command(
    help="Get data artifacts of a task or all tasks in a step. The format for input-path is either "
    "<run_id>/<step_name> or <run_id>/<step_name>/<task_id>."
)
@click.argument("input-path")
@click.option("--private/--no-private", default=False, show_default=True, help="Show also private attributes.")
@click.option(
    "--max-value-size",
    default=1000,
    show_default=True,
    type=int,
    help="Show only values that are smaller than this number. Set to 0 to see only keys.",
)
@click.option("--include", default="", help="Include only artifacts in the given comma-separated list.")
@click.option("--file", help="Serialize artifacts in the given file.")
@click.pass_obj
def dump(
    obj: Any, input_path: str, private: bool, max_value_size: int, include: str, file: Optional[str]
) -> None:
    echo = echo_dev_null if obj.is_quiet else echo_always
    run_id, step, task_id = parse_input_path(input_path)
    wanted = {name for name in include.split(",") if name}
    root = obj.flow_datastore.datastore_root
    output: Dict[str, Dict[str, Any]] = {}
    not_shown: List[str] = []
    for path in tasks_at(obj, run_id, step, task_id):
        found = store.manifest(root, path)
        if found is None:
            # Its newest attempt has stored nothing yet.
            if task_id is not None:
                raise _nothing(input_path)
            continue
        task_id = None
        echo("Dumping output of run_id=*%s* step=*%s* task_id=*%s*" % tuple(path[1:]), fg="magenta")
        artifacts = _Artifacts(root, path, found[0])
        names = artifacts.names(private, wanted)
        if file is None:
            not_shown += _print(artifacts, sorted(names), max_value_size)
        else:
            output["/".join(path[1:])] = {name: artifacts.value(name) for name in names}
    if task_id is not None:
        raise _nothing(input_path)
    if file is not None:
        import pickle

        try:
            with open(file, "wb") as f:
                pickle.dump(output, f, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError as e:
            raise CommandException("The artifacts cannot be written to %s: %s." % (file, e.strerror)) from None
        echo("Artifacts written to *%s*" % file)
    if not_shown:
        raise CommandException("These artifacts could not be loaded or printed here: %s" % ", ".join(not_shown))


def _nothing(input_path: str) -> CommandException:
    return CommandException(
        "No finished Task found at %s -- either it does not exist or it has not stored its artifacts yet" % input_path
    )


def _print(artifacts: "_Artifacts", names: List[str], max_value_size: int) -> List[str]:
    """One line an artifact on stdout; a task without any gives an empty one. Returns those that could not be shown."""
    not_shown: List[str] = []
    for name in names:
        try:
            size, value = artifacts.shown(name, max_value_size)
            text = str(value)
        except Exception as error:  # Unpickling and printing run code of the user, which may not even be there.
            size, text = artifacts.size(name), "< %s: %s >" % (type(error).__name__, error)
            not_shown.append(name)
        secho(name, fg="green", nl=False)
        secho(" [size: %d type: %s] = %s" % (size, artifacts.info(name).get("type"), text))
    if not names:
        secho("")
    return not_shown


class _Artifacts:
    """The artifacts of one task, by its `data.json`."""

    def __init__(self, root: str, path: List[str], manifest: Dict[str, Any]) -> None:
        self._root = root
        self._path = path
        self._objects: Dict[str, str] = manifest["objects"]
        self._info: Dict[str, Dict[str, Any]] = manifest["info"]

    def names(self, private: bool, wanted: Set[str]) -> List[str]:
        return [n for n in self._objects if (not wanted or n in wanted) and (private or not n.startswith("_"))]

    def info(self, name: str) -> Dict[str, Any]:
        return self._info.get(name, {})

    def size(self, name: str) -> int:
        """Of the artifact as it is stored."""
        return int(self.info(name).get("size", 0))

    def _stored(self, name: str) -> Any:
        return store.load(
            self._root,
            self._path[0],
            self._objects[name],
            name=name,
            path="/".join(self._path),
            size=int(self.info(name).get("size", -1)),
        )

    def value(self, name: str) -> Any:
        """The artifact; an included file gives its content."""
        value = self._stored(name)
        return value.decode(name) if self.info(name).get("type") == _INCLUDED_FILE else value

    def shown(self, name: str, max_value_size: int) -> Tuple[int, Any]:
        """(size, value or what stands for it): values without a size or above max_value_size are not loaded."""
        if self.info(name).get("type") == _INCLUDED_FILE:
            included = self._stored(name)
            size = int(included.size)
            return size, included.decode(name) if 0 < size <= max_value_size else _TooLarge()
        size = self.size(name)
        return size, self._stored(name) if 0 < size <= max_value_size else _TooLarge()
