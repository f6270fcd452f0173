"""Deployer: the names exist, so that code which mentions them can be imported; there is no scheduler to deploy to."""

from __future__ import annotations

import os
from typing import Any, Dict, List, NoReturn, Optional

from headrace.errors import MetaflowException


def _refuse(what: str) -> NoReturn:
    raise MetaflowException(
        "%s cannot work: Headrace does not deploy to Argo Workflows, Step Functions or Airflow. Run the flow with "
        "`python FLOW.py run` or with `Runner`; to run it on a schedule, let cron or your scheduler start this command."
        % what
    )


class TriggeredRun:
    """A run that a deployed flow has been asked for. Cannot be made: see the message of `Deployer`'s methods."""

    __module__ = "metaflow.runner.deployer"

    def __init__(self, deployer: Any, content: str) -> None:
        _refuse("TriggeredRun")


class DeployedFlow:
    """A flow that was deployed to a scheduler. Cannot be made: see the message of `Deployer`'s methods."""

    __module__ = "metaflow.runner.deployer"

    def __init__(self, deployer: Any) -> None:
        _refuse("DeployedFlow")

    @classmethod
    def from_deployment(cls, identifier: str, metadata: Optional[str] = None, impl: str = "argo-workflows") -> Any:
        _refuse("DeployedFlow.from_deployment(%r)" % identifier)

    @classmethod
    def get_triggered_run(
        cls, identifier: str, run_id: str, metadata: Optional[str] = None, impl: str = "argo-workflows"
    ) -> Any:
        _refuse("DeployedFlow.get_triggered_run(%r, %r)" % (identifier, run_id))

    @classmethod
    def list_deployed_flows(cls, flow_name: Optional[str] = None, impl: str = "argo-workflows") -> List[Any]:
        _refuse("DeployedFlow.list_deployed_flows")


class Deployer:
    """What deploys a flow in Metaflow; here each way of it raises a MetaflowException that says what to do instead.

    flow_file and the other arguments: as of Runner.
    """

    __module__ = "metaflow.runner.deployer"

    def __init__(
        self,
        flow_file: str,
        show_output: bool = True,
        profile: Optional[str] = None,
        env: Optional[Dict[str, str]] = None,
        cwd: Optional[str] = None,
        file_read_timeout: int = 3600,
        **kwargs: Any,
    ) -> None:
        self.flow_file = flow_file
        self.show_output = show_output
        self.profile = profile
        self.env = env
        self.cwd = cwd or os.getcwd()
        self.file_read_timeout = file_read_timeout
        self.top_level_kwargs = kwargs

    def argo_workflows(self, **deployer_kwargs: Any) -> Any:
        """Raises MetaflowException."""
        _refuse("Deployer(...).argo_workflows()")

    def step_functions(self, **deployer_kwargs: Any) -> Any:
        """Raises MetaflowException."""
        _refuse("Deployer(...).step_functions()")


class NBDeployerInitializationError(Exception):
    """NBDeployer was made outside of a notebook."""

    __module__ = "metaflow.runner.nbdeploy"


class NBDeployer:
    """Deployer for the flow of the current cell; raises a MetaflowException that says what to do instead."""

    __module__ = "metaflow.runner.nbdeploy"

    def __init__(self, flow: Any, *args: Any, **kwargs: Any) -> None:
        _refuse("NBDeployer(%s)" % getattr(flow, "__name__", flow))
