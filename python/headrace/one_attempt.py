"""One attempt without a run around it: what `step` does when another scheduler, or a person, types it.

The attempt runs in this process. Its records are written by `headrace attempt`, which ends with it.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from typing import Any, Dict, List, Optional, Tuple

from ._version import WIRE_VERSION
from .channel import Door
from .errors import CommandException
from .unbounded import UBF_CONTROL, UBF_TASK

_PARTS = {UBF_CONTROL: "control", UBF_TASK: "worker"}


def _inputs(text: str, run_id: str) -> List[List[str]]:
    """[step, task] of each input that `--input-paths` names. Raises CommandException."""
    from metaflow.util import decompress_list

    try:
        paths = decompress_list(text)
    except (ValueError, zlib.error) as error:
        raise CommandException("--input-paths begins with `!`, but what follows cannot be unpacked: %s" % error) from None
    inputs = []
    for path in paths:
        run, *place = path.split("/")
        if len(place) != 2 or not (run and all(place)):
            raise CommandException("--input-paths names *%s*, which is no task: a task is run/step/task." % path)
        if run != run_id:
            raise CommandException(
                "The input *%s* is of another run than --run-id *%s*: a step's inputs are tasks of its own run." % (path, run_id)
            )
        inputs.append(place)
    return inputs


def attempt_spec(obj: Any, step_name: str, options: Dict[str, Any]) -> Dict[str, Any]:
    """The agent's spec (wire.md, section 7) of the attempt that the command line of `step` describes.

    obj: the state of the command line. options: those of `step`. Raises CommandException.
    """
    from .cli import context
    from .identity import get_username, resolve_identity
    from .spec import sysmeta_of

    run_id, task_id = options["run_id"], options["task_id"]
    text = options["input_paths"]
    if not text and options["input_paths_filename"]:
        with open(options["input_paths_filename"], encoding="utf-8") as file:
            text = file.read().strip(" \n\"'")
    inputs = _inputs(text, run_id) if text else []
    if not inputs and not options["clone_only"]:
        raise CommandException(
            "A step needs --input-paths: the tasks before it as run/step/task, for the first step those of `init`: "
            "%s/_parameters/TASK." % run_id
        )
    ubf = options["ubf_context"]
    nodes, node = _nodes(options) if ubf != "none" else (0, 0)
    script = os.path.basename(context.script_path())
    namespace = options["opt_namespace"]
    return {
        "wire": WIRE_VERSION,
        "flow": obj.flow.name,
        "run_id": run_id,
        "user": get_username() or "",
        "namespace": resolve_identity() if namespace is None else namespace,
        "tags": sorted(obj.metadata.sticky_tags),
        "sys_tags": sorted(obj.metadata.sticky_sys_tags),
        "datastore": {"type": obj.flow_datastore.TYPE, "root": obj.flow_datastore.datastore_root},
        "sys_version": sys.version,
        "origin_run_id": options["clone_run_id"],
        "sysmeta": sysmeta_of(context.system_info(), script, obj.environment.git_info()),
        "code": {"sha": "", "url": "", "metadata": ""},
        "step": step_name,
        "task_id": task_id,
        "attempt": options["retry_count"],
        "try": 0,
        "max_user_code_retries": options["max_user_code_retries"],
        "split_index": options["split_index"],
        "join": obj.graph[step_name].type == "join",
        "inputs": inputs,
        "parameters_task": "0",  # the first input has them, whatever it is
        "part": _PARTS.get(ubf, "none"),
        "num_parallel": nodes,
        "node_index": node,
        "control_task": os.environ.get("MF_PARALLEL_CONTROL_TASK_ID", "") if ubf == UBF_TASK else "",
        "command": [script],
        "configs": None,
        "environment": {},
        "log_bytes_max": 1,
        "grace_s": 1,
        "lease_s": 0,
    }


def _nodes(options: Dict[str, Any]) -> Tuple[int, int]:
    """(nodes of the @parallel step, the node that this task is)."""
    nodes = options["num_parallel"] or int(os.environ.get("MF_PARALLEL_NUM_NODES", "1"))
    node = options["split_index"]
    return nodes, int(os.environ.get("MF_PARALLEL_NODE_INDEX", "0")) if node is None else node


def _start(arguments: List[str], spec: Dict[str, Any], door: Optional[int]) -> int:
    """Starts `headrace attempt`; its pid. door: the engine's end, which it gets as descriptor 3."""
    from .engine import engine_environment, start_engine
    from .spec import memory_file

    text = memory_file("headrace-attempt", [json.dumps(spec).encode("ascii")])
    try:
        return start_engine(["attempt"] + arguments, engine_environment(), door, stdin=text)
    finally:
        os.close(text)


def run_alone(obj: Any, spec: Dict[str, Any]) -> int:
    """Runs the attempt in this process. Returns the exit code of the process."""
    import _socket

    from .engine import engine_path
    from .task import run_attempt

    engine_path()  # says what is wrong with it
    mine, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    # No child of this process: a step may wait for all the processes that it has started.
    between = os.fork()
    if between == 0:
        code = 1
        try:
            _start(["--metadata-root", obj.metadata.root, "--door-fd", "3"], spec, theirs.fileno())
            code = 0
        finally:
            os._exit(code)
    theirs.close()
    os.waitpid(between, 0)
    return run_attempt(obj.flow, Door(mine.detach()))


def clone_task(obj: Any, spec: Dict[str, Any], origin: str) -> int:
    """Makes the task a clone of `origin`, `run/step/task`. Returns the exit code of the process; what went wrong was said."""
    pid = _start(["--metadata-root", obj.metadata.root, "--clone-of", origin], spec, None)
    _, status = os.waitpid(pid, 0)
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
