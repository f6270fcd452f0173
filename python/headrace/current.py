"""`current`: where in a run the running code is."""

from __future__ import annotations

from typing import Any, Dict, List, Optional


def _constant(value: Any) -> property:
    return property(lambda _: value)


class Current:
    """The one object `metaflow.current`. Outside a task everything but `is_running_flow` and `tempdir` is None.

    Decorators add attributes with `_update_env` (`project_name`, `card`, `parallel`, ...), so which exist depends on
    them: `current.get("project_name")` and `"project_name" in current` are safe.
    """

    def __init__(self) -> None:
        self._is_running = False
        self._flow: Any = None
        self._flow_name: Optional[str] = None
        self._run_id: Optional[str] = None
        self._step_name: Optional[str] = None
        self._task_id: Optional[str] = None
        self._retry_count: Optional[int] = None
        self._origin_run_id: Optional[str] = None
        self._namespace: Optional[str] = None
        self._client_namespace: Optional[str] = None
        self._username: Optional[str] = None
        self._metadata_str: Optional[str] = None
        self._parameter_names: Optional[List[str]] = None

    def _set_env(
        self,
        flow: Any = None,
        run_id: Optional[str] = None,
        step_name: Optional[str] = None,
        task_id: Optional[str] = None,
        retry_count: Optional[int] = None,
        origin_run_id: Optional[str] = None,
        namespace: Optional[str] = None,
        client_namespace: Optional[str] = None,
        username: Optional[str] = None,
        metadata_str: Optional[str] = None,
        is_running: bool = True,
        tags: Any = None,
    ) -> None:
        """Says where the process is from now on."""
        if flow is not None:
            self._flow = flow
            self._flow_name = flow.name
        self._run_id = run_id
        self._step_name = step_name
        self._task_id = task_id
        self._retry_count = retry_count
        self._origin_run_id = origin_run_id
        self._namespace = namespace
        self._client_namespace = client_namespace
        self._username = username
        self._metadata_str = metadata_str
        self._is_running = is_running
        self._tags = tags

    def _update_env(self, env: Dict[str, Any]) -> None:
        """Adds read-only attributes; on the class, as Metaflow does and extensions expect."""
        for name, value in env.items():
            setattr(self.__class__, name, _constant(value))

    def __contains__(self, key: str) -> bool:
        return getattr(self, key, None) is not None

    def get(self, key: str, default: Any = None) -> Any:
        """The attribute, or `default` if there is none."""
        return getattr(self, key, default)

    @property
    def is_running_flow(self) -> bool:
        """Whether this code runs in a task."""
        return self._is_running

    @property
    def flow_name(self) -> Optional[str]:
        return self._flow_name

    @property
    def run_id(self) -> Optional[str]:
        return self._run_id

    @property
    def step_name(self) -> Optional[str]:
        return self._step_name

    @property
    def task_id(self) -> Optional[str]:
        return self._task_id

    @property
    def retry_count(self) -> Optional[int]:
        """Number of the attempt, 0 first."""
        return self._retry_count

    @property
    def origin_run_id(self) -> Optional[str]:
        """The run that this one resumed; None if it did not."""
        return self._origin_run_id

    def _pathspec(self, *names: Optional[str]) -> Optional[str]:
        known = [name for name in names if name is not None]
        return "/".join(known) if len(known) == len(names) else None

    @property
    def pathspec(self) -> Optional[str]:
        """`Flow/run/step/task`."""
        return self._pathspec(self._flow_name, self._run_id, self._step_name, self._task_id)

    @property
    def task(self) -> Any:
        """The Client's object for this task."""
        pathspec = self.pathspec
        if pathspec is None:
            return None
        from .client import Task

        return Task(pathspec, _namespace_check=False)

    @property
    def run(self) -> Any:
        """The Client's object for this run."""
        pathspec = self._pathspec(self._flow_name, self._run_id)
        if pathspec is None:
            return None
        from .client import Run

        return Run(pathspec, _namespace_check=False)

    @property
    def namespace(self) -> Optional[str]:
        """Who runs: `user:NAME` or `production:TOKEN`. `run --namespace` changes what the Client sees, not this."""
        return self._namespace

    @property
    def username(self) -> Optional[str]:
        return self._username

    @property
    def tags(self) -> Any:
        """The user tags given to the run (legacy; `current.run.tags` is up to date)."""
        return self._tags

    @property
    def tempdir(self) -> Optional[str]:
        """The directory for temporary files: setting `TEMPDIR`."""
        from . import settings

        directory: Optional[str] = settings.TEMPDIR
        return directory

    @property
    def parameter_names(self) -> List[str]:
        """Attribute names of the flow's Parameters and Configs; AttributeError outside a task."""
        if self._parameter_names is None:
            raise AttributeError("parameter_names")
        return self._parameter_names

    @property
    def graph_info(self) -> Dict[str, Any]:
        """As `graph`; AttributeError outside a task."""
        if self._parameter_names is None:
            raise AttributeError("graph_info")
        return self.graph

    @property
    def graph(self) -> Dict[str, Any]:
        """The flow's graph, as the artifact `_graph_info`. Raises RuntimeError outside a task."""
        if self._flow is None:
            raise RuntimeError("Graph is not available")
        info: Dict[str, Any] = self._flow._graph_info
        return info


Current.__module__ = "metaflow.metaflow_current"

current = Current()
