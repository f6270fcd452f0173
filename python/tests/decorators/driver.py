"""Runs a step's decorators as the command line and a task do, without an engine."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from headrace.decorators.attach import init_flow_decorators, init_step_decorators
from headrace.user_decorators import run_wrapped


class Store:
    TYPE = "local"
    datastore_root = "/nowhere/.metaflow"


class RemoteStore(Store):
    TYPE = "s3"


class Environment:
    TYPE = "local"


class Metadata:
    """Keeps what decorators register."""

    TYPE = "local"

    def __init__(self) -> None:
        self.sys_tags: List[str] = []
        self.records: List[Any] = []

    def add_sticky_tags(self, tags: Any = (), sys_tags: Any = ()) -> None:
        self.sys_tags += sys_tags

    def register_metadata(self, run_id: str, step: str, task_id: str, records: Any) -> None:
        self.records += records


class Driver:
    """One flow: its decorators initialised, then single attempts of its steps."""

    def __init__(self, flow_cls: Any, store: Any = Store, options: Optional[Dict[str, Any]] = None) -> None:
        self.said: List[str] = []
        self.metadata = Metadata()
        self.flow = flow_cls(use_cli=False)
        flow_cls._process_config_decorators({})
        environment = Environment()
        init_flow_decorators(
            self.flow, self.flow._graph, environment, store(), self.metadata, self.logger, self.echo, options or {}
        )
        init_step_decorators(self.flow, self.flow._graph, environment, store(), self.logger)

    def echo(self, line: str, **kwargs: Any) -> None:
        self.said.append(line)

    def logger(self, body: str = "", **kwargs: Any) -> None:
        self.said.append(body)

    def step(self, name: str) -> Any:
        return getattr(self.flow, name)

    def attempt(self, name: str, retry_count: int = 0, max_retries: int = 0, ubf: Any = None, inputs: Any = None) -> Any:
        """Runs one attempt; returns the exception nobody dealt with, or None."""
        flow, graph, step = self.flow, self.flow._graph, self.step(name)
        flow._current_step = name
        flow._transition = None
        flow._foreach_stack = []
        decorators = list(step.decorators)
        try:
            for deco in decorators:
                deco.task_pre_step(name, None, self.metadata, "1", "2", flow, graph, retry_count, max_retries, ubf, [])
            function = step
            for deco in decorators:
                function = deco.task_decorate(function, flow, graph, retry_count, max_retries, ubf)
            run_wrapped(function, list(step.wrappers), flow, graph[name], inputs)
            for deco in decorators:
                deco.task_post_step(name, flow, graph, retry_count, max_retries)
            return None
        except Exception as error:
            answers = [deco.task_exception(error, name, flow, graph, retry_count, max_retries) for deco in decorators]
            return None if any(answers) else error
