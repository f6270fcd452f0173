"""Running flows from Python: `Runner`, in a notebook `NBRunner`. Loaded when first used."""

from headrace.runner.deployer import DeployedFlow, Deployer, NBDeployer, TriggeredRun
from headrace.runner.executing import ExecutingRun, ExecutingTask
from headrace.runner.notebook import NBRunner
from headrace.runner.runner import Runner

__all__ = [
    "DeployedFlow",
    "Deployer",
    "ExecutingRun",
    "ExecutingTask",
    "NBDeployer",
    "NBRunner",
    "Runner",
    "TriggeredRun",
]
