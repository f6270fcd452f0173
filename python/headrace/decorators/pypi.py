"""`@pypi` and `@pypi_base`: PyPI packages of a step. Attaching them is fine; a run needs an environment that has them."""

from __future__ import annotations

from typing import Any, Dict

from .base import FlowDecorator, StepDecorator
from .conda import _PackageAttributes, require_environment


class PyPIStepDecorator(_PackageAttributes, StepDecorator):
    """PyPI packages of a step. packages: name -> version. python: version. disabled: no environment for this step."""

    name = "pypi"
    defaults: Dict[str, Any] = {"packages": {}, "python": None, "disabled": None}

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.merge_base(flow, "pypi_base")
        require_environment("pypi", environment)


class PyPIFlowDecorator(_PackageAttributes, FlowDecorator):
    """PyPI packages of all steps; arguments as `@pypi`."""

    name = "pypi_base"
    defaults: Dict[str, Any] = {"packages": {}, "python": None, "disabled": None}

    def flow_init(self, flow: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        require_environment("pypi", environment)


PyPIStepDecorator.__module__ = PyPIFlowDecorator.__module__ = "metaflow.plugins.pypi.pypi_decorator"
