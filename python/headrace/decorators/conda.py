"""`@conda` and `@conda_base`: packages of a step. Attaching them is fine; a run needs an environment that has them."""

from __future__ import annotations

import sys
from typing import Any, Dict, Set

from ..errors import InvalidEnvironmentException
from .base import FlowDecorator, StepDecorator

_ENVIRONMENTS = ("conda", "pypi", "fast-bakery")


def require_environment(name: str, environment: Any) -> None:
    """InvalidEnvironmentException unless the run's `--environment` makes environments for steps. name: the decorator."""
    if environment is None or environment.TYPE not in _ENVIRONMENTS:
        raise InvalidEnvironmentException(
            "@%s decorator requires %s\nHeadrace does not make environments for steps yet: install the packages where the "
            "flow runs, and remove @%s or @%s_base." % (
                name, " or ".join("--environment=%s" % kind for kind in _ENVIRONMENTS), name, name)
        )


class _PackageAttributes:
    """Which attributes the user gave, and merging with those of the flow."""

    attributes: Dict[str, Any]
    _user_defined_attributes: Set[str]

    def is_attribute_user_defined(self, name: str) -> bool:
        return name in self._user_defined_attributes

    def merge_base(self, flow: Any, base_name: str) -> None:
        """Takes what `base_name` on the flow says and this decorator does not."""
        for base in flow._flow_decorators.get(base_name, [])[:1]:
            values = self.attributes
            values["packages"] = {**base.attributes["packages"], **values["packages"]}
            values["python"] = values["python"] or base.attributes["python"]
            if values["disabled"] is None:
                values["disabled"] = base.attributes["disabled"]
            self._user_defined_attributes |= base._user_defined_attributes
        self.attributes["disabled"] = bool(self.attributes["disabled"])

    def merge_libraries(self) -> None:
        """`libraries` is the old name of `packages`."""
        values = self.attributes
        values["packages"] = {**values["libraries"], **values["packages"]}
        values["libraries"] = {}
        if values["packages"]:
            self._user_defined_attributes.add("packages")


class CondaStepDecorator(_PackageAttributes, StepDecorator):
    """Conda packages of a step. packages: name -> version. python: version. disabled: no environment for this step."""

    name = "conda"
    defaults: Dict[str, Any] = {"packages": {}, "libraries": {}, "python": None, "disabled": None}

    def init(self) -> None:
        self.merge_libraries()

    def step_init(self, flow: Any, graph: Any, step_name: str, decorators: Any, environment: Any, flow_datastore: Any,
                  logger: Any) -> None:
        self.merge_base(flow, "conda_base")
        self.attributes["python"] = self.attributes["python"] or "%d.%d.%d" % sys.version_info[:3]
        require_environment("conda", environment)


class CondaFlowDecorator(_PackageAttributes, FlowDecorator):
    """Conda packages of all steps; arguments as `@conda`."""

    name = "conda_base"
    defaults: Dict[str, Any] = {"packages": {}, "libraries": {}, "python": None, "disabled": None}

    def init(self) -> None:
        self.merge_libraries()

    def flow_init(self, flow: Any, graph: Any, environment: Any, flow_datastore: Any, metadata: Any, logger: Any,
                  echo: Any, options: Dict[str, Any]) -> None:
        require_environment("conda", environment)


CondaStepDecorator.__module__ = CondaFlowDecorator.__module__ = "metaflow.plugins.pypi.conda_decorator"
