"""Starts the engine: the flow spec (docs/formats/wire.md, section 6), the task host, and `headrace conduct`."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, List, Optional, Tuple

from ._version import WIRE_VERSION

#: `(name, type, pickle)` of an artifact of `_parameters`.
Constant = Tuple[str, str, bytes]


class StepStart:
    """What decorators may change about how a step's tasks are started: `cli_args` of their `runtime_step_cli`.

    env: environment variables of the tasks. The other attributes are those of Metaflow's object of this kind; a local
    task is no command line, so changes there have no effect.
    """

    def __init__(self, entrypoint: List[str], step_name: str) -> None:
        self.entrypoint = list(entrypoint)
        self.top_level_options: Dict[str, Any] = {}
        self.commands = ["step"]
        self.command_args = [step_name]
        self.command_options: Dict[str, Any] = {}
        self.env: Dict[str, str] = {}


def step_spec(graph: Any, name: str, entrypoint: List[str]) -> Dict[str, Any]:
    """STEP of the flow spec."""
    from .pods import kubernetes_of, pod_settings, retry_wait_s

    node = graph[name]
    kubernetes = kubernetes_of(node.decorators)
    user_retries, fallback_retries = _retries(node.decorators)
    start = StepStart(entrypoint, name)
    for deco in node.decorators:
        context_hook = getattr(deco, "runtime_step_cli_ctx", None)
        if context_hook is not None:
            context_hook(name, start)
        else:
            deco.runtime_step_cli(start, 0, user_retries, None)
    return {
        "name": name,
        "kind": _kind(node),
        "join": node.type == "join",
        "next": list(node.out_funcs),
        "foreach_var": node.foreach_param,
        "matching_join": node.matching_join,
        "split_parents": list(node.split_parents),
        "user_retries": user_retries,
        "fallback_retries": fallback_retries,
        "timeout_s": _first_of(node.decorators, "timeout", lambda deco: deco.secs),
        "fresh": bool(start.env),
        "environment": {str(key): str(value) for key, value in start.env.items()},
        "resources": _first_of(node.decorators, "resources", _resources),
        "backend": "kubernetes" if kubernetes else "local",
        "kubernetes": pod_settings(kubernetes) if kubernetes else None,
        "retry_wait_s": retry_wait_s(node.decorators) if kubernetes else 0,
    }


def _kind(node: Any) -> str:
    if node.type == "foreach":
        return "parallel" if node.parallel_foreach else "foreach"
    return {"split": "split", "split-switch": "switch", "end": "end"}.get(node.type, "linear")


def _retries(decorators: List[Any]) -> Tuple[int, int]:
    """(retries of the user's code, fallback attempts after them). A decorator that says None forbids both."""
    user, fallback = 0, 0
    for deco in decorators:
        deco_user, deco_fallback = deco.step_task_retry_count()
        if deco_user is None and deco_fallback is None:
            return 0, 0
        user, fallback = max(user, deco_user), max(fallback, deco_fallback)
    # Six attempts in all: what is over them is taken from the fallback.
    return user, min(fallback, max(0, 5 - user))


def _first_of(decorators: List[Any], name: str, value: Any) -> Any:
    for deco in decorators:
        if deco.name == name:
            return value(deco)
    return None


def _resources(deco: Any) -> Dict[str, Any]:
    def number(name: str, default: float) -> float:
        try:
            return float(deco.attributes.get(name) or default)
        except (TypeError, ValueError):
            return default

    return {"cpu": number("cpu", 1), "memory_mb": int(number("memory", 4096))}


def graph_spec(graph: Any, entrypoint: List[str]) -> Dict[str, Any]:
    """`graph` of the flow spec."""
    return {
        "start": graph.start_step,
        "end": graph.end_step,
        "steps": [step_spec(graph, name, entrypoint) for name in graph.sorted_nodes],
    }


def constants_of(flow: Any, graph: Any, parameters: Dict[str, Any], configs: Dict[str, Any]) -> List[Constant]:
    """What `_parameters` holds. parameters: values by option name; configs: values of Configs.

    They are set on an object of their own: `flow` is what tasks inherit, and they must find nothing on it.
    """
    from .artifacts import save_constants

    holder = flow.__class__(use_cli=False)
    holder._set_constants(graph, parameters, configs)
    holder._success = True
    holder._task_ok = True
    holder._foreach_stack = []
    holder._transition = None
    return save_constants(holder)


def sysmeta_of(info: Dict[str, str], script: str, git: Dict[str, Any]) -> List[Dict[str, str]]:
    """Metadata that every attempt gets. info: see `cli.context.system_info`."""
    found = [{"field": key, "type": key, "value": value} for key, value in info.items()]
    found.append({"field": "script-name", "type": "script-name", "value": script})
    if git:
        import json

        found.append({"field": "git-info", "type": "git-info", "value": json.dumps(git)})
    return found


# --- start -----------------------------------------------------------------------------------------------------


def start_run(
    flow: Any,
    spec: Dict[str, Any],
    constants: List[Constant],
    step_command: Optional[List[str]] = None,
    pods: Optional[Any] = None,
) -> None:
    """Forks the task host and becomes the engine; returns never. Raises EngineMissing.

    pods: a `PodRun`, if a step runs in a pod.

    step_command: what runs a step in a fresh interpreter, without the words `step NAME`: interpreter, script, top-level
    options (`--with` of the decorators that the command line attached among them).
    """
    from .engine import engine_path

    path = engine_path()
    spec_fd = _write_spec(spec, constants, pods)
    from .host import fork_host

    link = fork_host(flow, step_command or [sys.executable, os.path.abspath(sys.argv[0])], (spec_fd,))
    _become_engine(path, ["conduct", "--spec-fd", str(spec_fd), "--host-fd", str(link)], (spec_fd, link))


def become_init(spec: Dict[str, Any], constants: List[Constant]) -> None:
    """Becomes the engine, which stores the values of a run and ends; returns never. Raises EngineMissing."""
    from .engine import engine_path

    path = engine_path()
    spec_fd = _write_spec(spec, constants, None)
    _become_engine(path, ["init", "--spec-fd", str(spec_fd)], (spec_fd,))


def _write_spec(spec: Dict[str, Any], constants: List[Constant], pods: Optional[Any]) -> int:
    """The `memory_file` with the spec's frame."""
    from .channel import encode_frame

    spec = dict(spec, wire=WIRE_VERSION, pods=pods.spec if pods else None)
    spec["parameters"] = [
        {"name": name, "type": kind, "encoding": "pickle-v4", "size": len(data)} for name, kind, data in constants
    ]
    pickles = [data for _, _, data in constants] + ([pods.package] if pods else [])
    return memory_file("headrace-flow-spec", [encode_frame(0, spec, sum(map(len, pickles)))] + pickles)


def memory_file(name: str, pieces: List[bytes]) -> int:
    """The descriptor of a new memory file that holds `pieces`, at its beginning."""
    from .parallel import system

    descriptor = system.memory_file(name)
    for piece in pieces:
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view):]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _become_engine(path: str, arguments: List[str], descriptors: "Tuple[int, ...]") -> None:
    import signal

    from .engine import become_engine

    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    # Python ignores these; an ignored signal stays ignored in what is executed.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    # A Ctrl-C from here on is for the engine, which hears it as soon as it listens.
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    become_engine(path, arguments)


def base_spec(
    command: str,
    flow: Any,
    graph: Any,
    script: str,
    entrypoint: List[str],
    roots: "Roots",
    identity: "Identity",
    limits: Dict[str, int],
    files: "Tuple[Optional[str], Optional[str]]",
) -> Dict[str, Any]:
    """The fields of the flow spec that every command has. files: of the run id, and of the runner's attributes."""
    run_id_file, runner_file = files
    return {
        "command": command,
        "flow": flow.name,
        "script": script,
        "user": identity.user,
        "namespace": identity.namespace,
        "tags": sorted(identity.tags),
        "sys_tags": sorted(identity.sys_tags),
        "sysmeta": identity.sysmeta,
        "sys_version": sys.version,
        "datastore": {"type": roots.kind, "root": roots.data},
        "metadata_root": roots.metadata,
        "run_id_file": os.path.abspath(run_id_file) if run_id_file else None,
        "runner_attribute_file": os.path.abspath(runner_file) if runner_file else None,
        "ui_url": roots.ui_url,
        "limits": limits,
        "graph": graph_spec(graph, entrypoint),
        "includes": [],
        "resume": None,
        "spin": None,
        "init": None,
    }


class Roots:
    """kind: of the datastore. data, metadata: their roots. ui_url: empty if there is none."""

    def __init__(self, kind: str, data: str, metadata: str, ui_url: str) -> None:
        self.kind = kind
        self.data = data
        self.metadata = metadata
        self.ui_url = ui_url


class Identity:
    """Who runs: user, namespace of the client in tasks ("" is the global one), tags, metadata of every attempt."""

    def __init__(self, user: str, namespace: str, tags: Any, sys_tags: Any, sysmeta: List[Dict[str, str]]) -> None:
        self.user = user
        self.namespace = namespace
        self.tags = tags
        self.sys_tags = sys_tags
        self.sysmeta = sysmeta
