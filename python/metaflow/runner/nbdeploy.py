"""`metaflow.runner.nbdeploy`: Deploying flows from a notebook."""

from headrace.runner.deployer import NBDeployer, NBDeployerInitializationError  # noqa: F401
