"""`@parallel`: a step that is several tasks at once, started with `num_parallel`."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from ..errors import MetaflowException
from ..metadatum import MetaDatum
from ..unbounded import CONTROL_TASK_TAG, UBF_CONTROL
from .base import StepDecorator


class Parallel(NamedTuple):
    """`current.parallel`: where a task stands among the tasks of its step."""

    main_ip: str
    num_nodes: int
    node_index: int
    control_task_id: Optional[str]


Parallel.__module__ = "metaflow.metaflow_current"


def parallel_of_environment() -> Parallel:
    """`current.parallel`, from the variables that the launcher of the tasks sets."""
    get = os.environ.get
    return Parallel(
        main_ip=get("MF_PARALLEL_MAIN_IP", "127.0.0.1"),
        num_nodes=int(get("MF_PARALLEL_NUM_NODES", "1")),
        node_index=int(get("MF_PARALLEL_NODE_INDEX", "0")),
        control_task_id=get("MF_PARALLEL_CONTROL_TASK_ID"),
    )


class ParallelDecorator(StepDecorator):
    """Several tasks of one step that know each other through `current.parallel`.

    The task of node 0 (control) starts the others, does its own part, and fails if one of them fails. Subclasses prepare
    a framework in `setup_distributed_env`.
    """

    name = "parallel"
    defaults: Dict[str, Any] = {}
    IS_PARALLEL = True

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        if graph[step_name].type == "split-switch":
            raise MetaflowException(
                "A @parallel step can not be a conditional switch step. Please add a join step after *%s*" % step_name
            )
        self.environment = environment
        from ..current import current

        # On the class, so that it is read anew each time it is looked at.
        setattr(type(current), "parallel", property(lambda self: parallel_of_environment()))

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any,
                      inputs: Any) -> None:
        from ..current import current

        current._update_env({"is_parallel": True})
        if not hasattr(flow, "_parallel_ubf_iter"):
            # A step that was reached without num_parallel (refused by the checks of the graph, unless these are off).
            return
        tags = ["attempt_id:%d" % retry_count]
        size = flow._parallel_ubf_iter.num_parallel
        records = [MetaDatum("parallel-world-size", size, "parallel-world-size", tags)]
        if ubf_context == UBF_CONTROL:
            records.append(MetaDatum("internal_task_type", CONTROL_TASK_TAG, "internal_task_type", tags))
            flow._control_task_is_mapper_zero = True
        metadata.register_metadata(run_id, step_name, task_id, records)

    def task_decorate(self, step_func: Callable[..., Any], flow: Any, graph: Any, retry_count: int,
                      max_user_code_retries: int, ubf_context: Any) -> Callable[..., Any]:
        def with_setup(*inputs: Any) -> None:
            self.setup_distributed_env(flow)
            step_func(*inputs)

        if ubf_context != UBF_CONTROL:
            return with_setup
        return lambda *inputs: _run_control(flow, lambda: with_setup(*inputs))

    def setup_distributed_env(self, flow: Any) -> None:
        """Called in each task before its part of the step."""


ParallelDecorator.__module__ = "metaflow.plugins.parallel_decorator"


def set_environment(num_nodes: int, node_index: int, control_task_id: Any) -> None:
    """Sets the variables that `current.parallel` and frameworks read. Nodes that are pods are told where node 0 is, or are it."""
    names = ("HEADRACE_PARALLEL_MAIN_IP", "HEADRACE_POD_IP", "MF_PARALLEL_MAIN_IP")
    main_ip = next(filter(None, map(os.environ.get, names)), "127.0.0.1")
    os.environ.update(
        {
            "MF_PARALLEL_MAIN_IP": main_ip,
            "MF_PARALLEL_NUM_NODES": str(num_nodes),
            "MF_PARALLEL_NODE_INDEX": str(node_index),
            "MF_PARALLEL_CONTROL_TASK_ID": str(control_task_id),
        }
    )


def _run_control(flow: Any, run_own_part: Callable[[], None]) -> None:
    """Node 0: starts the other nodes, runs its own part, waits for all. Raises MetaflowException if one failed.

    Nodes that are pods are started and waited for by the run's launcher: the requests only name them.
    """
    from ..current import current
    from ..task import attempt_channel

    size = flow._parallel_ubf_iter.num_parallel
    channel = attempt_channel()
    me = "%s/%s/%s" % (current.run_id, current.step_name, current.task_id)
    others: List[str] = list(channel.request("start_workers", count=size - 1)["tasks"]) if size > 1 else []
    flow._control_mapper_tasks = [me] + others
    set_environment(size, 0, current.task_id)
    run_own_part()
    if others:
        failed = channel.request("wait_workers")["failed"]
        if failed:
            raise MetaflowException(
                "%d of the %d tasks of the parallel step '%s' failed: %s. Their messages are above."
                % (len(failed), size, current.step_name, ", ".join(failed))
            )
