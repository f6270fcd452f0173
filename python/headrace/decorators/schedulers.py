"""Step decorators that production schedulers add by themselves; the names exist, steps are not changed by them."""

from __future__ import annotations

from typing import Any, Dict

from ..errors import MetaflowException
from .base import StepDecorator


class _SchedulerInternalDecorator(StepDecorator):
    defaults: Dict[str, Any] = {}
    scheduler = ""

    def task_pre_step(self, step_name: str, task_datastore: Any, metadata: Any, run_id: Any, task_id: Any, flow: Any,
                      graph: Any, retry_count: int, max_user_code_retries: int, ubf_context: Any,
                      inputs: Any) -> None:
        raise MetaflowException(
            "@%s is added to steps by %s, which this version of Headrace does not support. Remove it, and run the flow "
            "with `run`." % (self.name, self.scheduler)
        )


class ArgoWorkflowsInternalDecorator(_SchedulerInternalDecorator):
    name = "argo_workflows_internal"
    defaults = {"auto-emit-argo-events": True}
    scheduler = "Argo Workflows"


class StepFunctionsInternalDecorator(_SchedulerInternalDecorator):
    name = "step_functions_internal"
    scheduler = "AWS Step Functions"


class AirflowInternalDecorator(_SchedulerInternalDecorator):
    name = "airflow_internal"
    scheduler = "Airflow"


ArgoWorkflowsInternalDecorator.__module__ = "metaflow.plugins.argo.argo_workflows_decorator"
StepFunctionsInternalDecorator.__module__ = "metaflow.plugins.aws.step_functions.step_functions_decorator"
AirflowInternalDecorator.__module__ = "metaflow.plugins.airflow.airflow_decorator"
