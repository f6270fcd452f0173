"""`metaflow.runner.deployer`: Deploying flows to a production scheduler."""

from headrace.runner.deployer import DeployedFlow, Deployer, TriggeredRun  # noqa: F401
