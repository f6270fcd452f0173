"""`@exit_hook`: functions called when a run has ended."""

from __future__ import annotations

import os
import sys
from typing import Any, Callable, Dict, List

from ..errors import MetaflowException
from ..stdio import flush_stdio
from .base import FlowDecorator


class ExitHookDecorator(FlowDecorator):
    """Functions to call after a run: on_success, on_error; functions or their names (`name`, `module.name`).

    Each runs in a process of its own, with `run=` the Run if it takes that. A failure is printed, the run's result stays.
    """

    name = "exit_hook"
    allow_multiple = True
    defaults: Dict[str, Any] = {"on_success": [], "on_error": [], "options": {}}

    def flow_init(self, flow: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        if not self.attributes["on_success"] and not self.attributes["on_error"]:
            raise MetaflowException("Choose at least one of the options on_success/on_error")
        self.success_hooks = _names("on_success", self.attributes["on_success"])
        self.error_hooks = _names("on_error", self.attributes["on_error"])


ExitHookDecorator.__module__ = "metaflow.plugins.exit_hook.exit_hook_decorator"


def _names(argument: str, hooks: Any) -> List[str]:
    for hook in hooks:
        if not isinstance(hook, str) and not callable(hook):
            raise ValueError(
                "Exit hooks inside '%s' must be a function or a string referring to the function" % argument
            )
    return [hook if isinstance(hook, str) else hook.__name__ for hook in hooks]


def _find(hook: Any, flow_cls: Any) -> Callable[..., Any]:
    """The function: itself, an import path, or a name in the flow's module."""
    if callable(hook):
        return hook  # type: ignore[no-any-return]
    import importlib

    module_name, _, name = hook.rpartition(".")
    module = importlib.import_module(module_name) if module_name else sys.modules[flow_cls.__module__]
    found = getattr(module, name, None)
    if not callable(found):
        raise MetaflowException(
            "there is no function '%s' in %s" % (name, module_name or getattr(module, "__file__", "the flow's module"))
        )
    return found  # type: ignore[no-any-return]


def _call(hook: Any, flow_cls: Any, pathspec: str) -> None:
    import inspect

    function = _find(hook, flow_cls)
    spec = inspect.getfullargspec(function)
    if "run" not in spec.args + spec.kwonlyargs and spec.varkw is None:
        function()
        return
    from ..client import Run

    try:
        run: Any = Run(pathspec, _namespace_check=False)
    except Exception as error:
        print("[exit_hook] %s cannot be read: %s" % (pathspec, error))
        run = None
    function(run=run)


def run_exit_hooks(flow_cls: Any, pathspec: str, successful: bool) -> None:
    """Calls the exit hooks of a flow for the run `pathspec`, one after the other; returns when all have ended."""
    from ..flow_state import FlowStateItems

    argument = "on_success" if successful else "on_error"
    for deco in flow_cls._flow_state[FlowStateItems.FLOW_DECORATORS].get("exit_hook", []):
        for hook in deco.attributes[argument]:
            name = hook if isinstance(hook, str) else getattr(hook, "__name__", str(hook))
            _run_in_child(hook, name, flow_cls, pathspec)


def _run_in_child(hook: Any, name: str, flow_cls: Any, pathspec: str) -> None:
    flush_stdio()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _call(hook, flow_cls, pathspec)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            flush_stdio()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if status:
        how = "signal %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else "exit code %d" % os.WEXITSTATUS(status)
        print("[exit_hook] Hook '%s' failed with error: its process ended with %s" % (name, how), flush=True)
