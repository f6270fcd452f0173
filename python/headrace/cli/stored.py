"""What commands that read stored runs share: paths on the command line, tasks, datastore roots."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from ..client import store
from ..errors import CommandException


def parse_input_path(input_path: str) -> Tuple[str, str, Optional[str]]:
    """(run id, step, task id or None) of RUN/STEP[/TASK]. Raises CommandException."""
    parts = input_path.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise CommandException("input_path should either be run_id/step_name or run_id/step_name/task_id")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def tasks_at(obj: Any, run_id: str, step: str, task_id: Optional[str]) -> List[List[str]]:
    """Paths [flow, run, step, task] of the task, or of all tasks of the step, in order of their creation."""
    path = [obj.flow.name, run_id, step]
    if task_id is not None:
        return [path + [task_id]] if store.get_object(obj.metadata.root, path + [task_id]) else []
    records = sorted(store.list_objects(obj.metadata.root, path), key=_creation)
    return [path + [str(record["task_id"])] for record in records]


def _creation(record: Any) -> Tuple[int, int, str]:
    # Tasks made in one millisecond are told apart by their number, where that is one.
    name = str(record["task_id"])
    return int(record["ts_epoch"]), int(name) if name.isdigit() else 0, name


def use_metadata(obj: Any) -> None:
    """Makes the client look at the metadata of this command line."""
    from ..client.state import use_root

    use_root(obj.metadata.TYPE, obj.metadata.root)
