"""`@catch`: a step counts as done although it failed."""

from __future__ import annotations

import os
from typing import Any, Callable, Optional, Tuple

from ..errors import FailureHandledByCatch, MetaflowException, MetaflowExceptionWrapper
from .base import StepDecorator

#: Attempts that only run a stub, after a task's process has died in every attempt of the user's.
NUM_FALLBACK_RETRIES = 3

_NOT_SUPPORTED = {"foreach": "foreach split steps", "split-switch": "conditional switch steps"}


def _users_part(trace: Any) -> Any:
    """A traceback from the first frame on that is not of this package; all of it if there is none."""
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename.startswith(here):
        found = found.tb_next
    return trace if found is None else found


class CatchDecorator(StepDecorator):
    """Lets the flow go on when a step has failed in all its attempts.

    var: artifact that holds the exception (`MetaflowExceptionWrapper`), None after success. print_exception: show the
    traceback in the task's output. What the step assigned before it failed is kept.
    """

    name = "catch"
    defaults = {"var": None, "print_exception": True}

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.logger = logger
        var = self.attributes["var"]
        if var and not (isinstance(var, str) and var.isidentifier()):
            raise MetaflowException("@catch(var=...) takes the name of an artifact, not %r." % (var,))
        kind = _NOT_SUPPORTED.get(graph[step_name].type)
        if kind:
            raise MetaflowException(
                "@catch is defined for the step *%s* but @catch is not supported in %s." % (step_name, kind)
            )

    def _set_var(self, flow: Any, value: Any) -> None:
        if self.attributes["var"]:
            setattr(flow, self.attributes["var"], value)

    def task_exception(self, exception: BaseException, step_name: str, flow: Any, graph: Any, retry_count: int,
                       max_user_code_retries: int) -> Optional[bool]:
        if retry_count < max_user_code_retries:
            return False
        if self.attributes["print_exception"]:
            import traceback

            print("@catch caught an exception from %s" % flow)
            for text in traceback.format_exception(type(exception), exception, _users_part(exception.__traceback__)):
                for line in text.splitlines():
                    print(">  %s" % line)
        # The step did not come to its `self.next`.
        flow._transition = (graph[step_name].out_funcs, None)
        if hasattr(flow, "_parallel_ubf_iter"):
            from ..current import current

            flow._control_mapper_tasks = ["%s/%s/%s" % (current.run_id, current.step_name, current.task_id)]
        wrapper = MetaflowExceptionWrapper(exception)
        flow._catch_exception = wrapper
        self._set_var(flow, wrapper)
        return True

    def task_post_step(self, step_name: str, flow: Any, graph: Any, retry_count: int,
                       max_user_code_retries: int) -> None:
        self._set_var(flow, None)

    def step_task_retry_count(self) -> Tuple[int, int]:
        return 0, NUM_FALLBACK_RETRIES

    def task_decorate(self, step_func: Callable[..., Any], flow: Any, graph: Any, retry_count: int,
                      max_user_code_retries: int, ubf_context: Any) -> Callable[..., Any]:
        if retry_count <= max_user_code_retries:
            return step_func

        def fallback_step(inputs: Any = None) -> None:
            raise FailureHandledByCatch(retry_count)

        return fallback_step


CatchDecorator.__module__ = "metaflow.plugins.catch_decorator"
