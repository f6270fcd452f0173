"""The command line of a task that needs an interpreter of its own."""

from __future__ import annotations

import os
import sys
from typing import Any, Iterable, List


def step_command(obj: Any, decospecs: Iterable[str]) -> List[str]:
    """Arguments that run `step` with what this command was given, up to and without that word.

    decospecs: all of `--with`, of the command and of the top level.
    """
    entrypoint = list(obj.entrypoint)
    if len(entrypoint) == 2 and entrypoint[1] == sys.argv[0]:
        main = sys.modules["__main__"]
        module = getattr(getattr(main, "__spec__", None), "name", None)
        if module and obj.flow.__class__.__module__ == "__main__":
            # `python -m package.flow`: relative imports work only when it is started as a module again.
            entrypoint[1:] = ["-m", module]
        else:
            # The working directory may be another one by now; what Python itself started from is an absolute path.
            entrypoint[1] = os.path.abspath(getattr(main, "__file__", None) or entrypoint[1])
    return entrypoint + task_options(obj, decospecs) + _config_options(obj.flow)


def pods_of(obj: Any, decospecs: Iterable[str]) -> Any:
    """The `PodRun` of this command, None if no step runs in a pod."""
    from ..pods import pod_run
    from ..user_configs import dump_config_values

    values = dump_config_values(obj.flow)
    return pod_run(obj, task_options(obj, decospecs) + _config_values(values), values)


def task_options(obj: Any, decospecs: Iterable[str]) -> List[str]:
    """Top-level options for a process that runs one step."""
    command = [
        "--quiet",
        "--no-pylint",
        "--metadata", "local",
        "--environment", obj.environment.TYPE,
        "--datastore", obj.datastore_impl.TYPE,
        "--event-logger", obj.event_logger,
        "--monitor", obj.monitor,
        "--datastore-root", obj.datastore_impl.datastore_root,
    ]
    for spec in decospecs:
        command += ["--with", spec]
    return command + _decorator_options(obj.flow)


def _decorator_options(flow: Any) -> List[str]:
    options = []
    for decorators in flow._flow_decorators.values():
        for deco in decorators:
            for name, value in deco.get_top_level_options():
                if value is True:
                    options.append("--%s" % name)
                elif value is not None and value is not False:
                    options += ["--%s" % name, str(value)]
    return options


def _config_options(flow: Any) -> List[str]:
    """Options that give the flow's configs the values they have now."""
    from ..user_configs import dump_config_values

    values = dump_config_values(flow)
    if not values:
        return []
    import json

    path = _memory_file(json.dumps(values).encode("utf-8"))
    return ["--local-config-file", path] + _config_values(values)


def _config_values(values: Any) -> List[str]:
    """Options that take each config's value from the file of `--local-config-file`."""
    options: List[str] = []
    for name in values["user_configs"] if values else ():
        options += ["--config-value", name, "kv.%s" % name]
    return options


def _memory_file(content: bytes) -> str:
    """The path under which this process, and what it forks and executes, can read `content`; gone when all have ended."""
    writable = os.memfd_create("headrace-configs")
    with os.fdopen(writable, "wb") as f:
        f.write(content)
        f.flush()
        readable = os.open("/proc/self/fd/%d" % writable, os.O_RDONLY)
    os.set_inheritable(readable, True)
    return "/proc/self/fd/%d" % readable
