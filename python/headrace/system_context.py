"""What decorators can ask about the process they are in: the flow, and where in a run it is."""

from __future__ import annotations

from enum import Enum
from typing import Any, Dict, List, Optional


class ExecutionPhase(Enum):
    """LAUNCH: the process of the command. TRAMPOLINE: it starts a remote task. TASK: it runs a step."""

    LAUNCH = "launch"
    TRAMPOLINE = "trampoline"
    TASK = "task"


class SystemContext:
    """What is known so far; a part that is not known yet is None."""

    _PARTS = (
        "phase", "flow", "graph", "environment", "flow_datastore", "metadata", "logger", "package", "run_id", "task_id",
        "input_paths", "task_datastore", "ubf_context", "is_cloned", "split_index", "retry_count",
        "max_user_code_retries", "inputs",
    )

    def __init__(self) -> None:
        self._known: Dict[str, Any] = {}
        self._step_decorators: Dict[str, List[Any]] = {}
        self._shared: Dict[str, Dict[str, Dict[str, Any]]] = {}

    def _update(self, **parts: Any) -> None:
        """Adds what has become known."""
        unknown = set(parts) - set(self._PARTS)
        if unknown:
            raise TypeError("SystemContext has no %s" % ", ".join(sorted(unknown)))
        self._known.update(parts)

    def __getattr__(self, name: str) -> Any:
        if name in self._PARTS:
            return self._known.get(name)
        raise AttributeError("SystemContext has no '%s'" % name)

    @property
    def is_launch(self) -> bool:
        return bool(self.phase == ExecutionPhase.LAUNCH)

    @property
    def is_trampoline(self) -> bool:
        return bool(self.phase == ExecutionPhase.TRAMPOLINE)

    @property
    def is_task(self) -> bool:
        return bool(self.phase == ExecutionPhase.TASK)

    def register_step_decorators(self, step_name: str, decorators: List[Any]) -> None:
        """Remembers the decorators of a step."""
        self._step_decorators[step_name] = decorators

    def get_step_decorators(self, step_name: str) -> List[Any]:
        """The decorators of a step, as last registered."""
        return list(self._step_decorators.get(step_name, []))

    def share(self, step_name: str, namespace: str, key: str, value: Any) -> None:
        """Leaves a value for the other decorators of a step."""
        self._shared.setdefault(step_name, {}).setdefault(namespace, {})[key] = value

    def shared(self, step_name: str, namespace: str, key: str, default: Optional[Any] = None) -> Any:
        """A value that a decorator of the step left."""
        return self._shared.get(step_name, {}).get(namespace, {}).get(key, default)


ExecutionPhase.__module__ = SystemContext.__module__ = "metaflow.system_context"

system_context = SystemContext()
