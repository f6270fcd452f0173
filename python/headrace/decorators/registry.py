"""Which built-in decorators there are, and where: looked up by name, imported on first use."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Type, cast

from .base import Decorator, FlowDecorator, StepDecorator

#: Step decorators: name -> (module below headrace.decorators, class).
STEP_DECORATORS: Dict[str, "tuple[str, str]"] = {
    "catch": ("catch", "CatchDecorator"),
    "timeout": ("timeout", "TimeoutDecorator"),
    "environment": ("environment", "EnvironmentDecorator"),
    "secrets": ("secrets", "SecretsDecorator"),
    "parallel": ("parallel", "ParallelDecorator"),
    "retry": ("retry", "RetryDecorator"),
    "resources": ("resources", "ResourcesDecorator"),
    "batch": ("batch", "BatchDecorator"),
    "kubernetes": ("kubernetes", "KubernetesDecorator"),
    "argo_workflows_internal": ("schedulers", "ArgoWorkflowsInternalDecorator"),
    "step_functions_internal": ("schedulers", "StepFunctionsInternalDecorator"),
    "unbounded_test_foreach_internal": ("unbounded_test", "InternalTestUnboundedForeachDecorator"),
    "card": ("card", "CardDecorator"),
    "pytorch_parallel": ("pytorch_parallel", "PytorchParallelDecorator"),
    "airflow_internal": ("schedulers", "AirflowInternalDecorator"),
    "pypi": ("pypi", "PyPIStepDecorator"),
    "conda": ("conda", "CondaStepDecorator"),
}

#: Flow decorators: name -> (module below headrace.decorators, class).
FLOW_DECORATORS: Dict[str, "tuple[str, str]"] = {
    "schedule": ("schedule", "ScheduleDecorator"),
    "project": ("project", "ProjectDecorator"),
    "trigger": ("trigger", "TriggerDecorator"),
    "trigger_on_finish": ("trigger", "TriggerOnFinishDecorator"),
    "pypi_base": ("pypi", "PyPIFlowDecorator"),
    "conda_base": ("conda", "CondaFlowDecorator"),
    "exit_hook": ("exit_hook", "ExitHookDecorator"),
    "airflow_external_task_sensor": ("airflow_sensors", "ExternalTaskSensorDecorator"),
    "airflow_s3_key_sensor": ("airflow_sensors", "S3KeySensorDecorator"),
}


def _load(where: "tuple[str, str]") -> Type[Decorator]:
    import importlib

    module, name = where
    return cast(Type[Decorator], getattr(importlib.import_module("headrace.decorators." + module), name))


def step_decorator_class(name: str) -> Type[StepDecorator]:
    """KeyError if there is no such step decorator."""
    return cast(Type[StepDecorator], _load(STEP_DECORATORS[name]))


def flow_decorator_class(name: str) -> Type[FlowDecorator]:
    """KeyError if there is no such flow decorator."""
    return cast(Type[FlowDecorator], _load(FLOW_DECORATORS[name]))


def all_step_decorators() -> List[Type[StepDecorator]]:
    """All step decorator classes; imports every one."""
    return [step_decorator_class(name) for name in STEP_DECORATORS]


def all_flow_decorators() -> List[Type[FlowDecorator]]:
    """All flow decorator classes; imports every one."""
    return [flow_decorator_class(name) for name in FLOW_DECORATORS]


def decorator_function(name: str) -> Callable[..., Any]:
    """What `from metaflow import NAME` gives: used above a step or a flow, with or without arguments."""
    from functools import partial

    from .attach import _base_flow_decorator, _base_step_decorator

    if name in STEP_DECORATORS:
        return partial(_base_step_decorator, step_decorator_class(name))
    return partial(_base_flow_decorator, flow_decorator_class(name))
