"""NBRunner's view of a cell; and what cannot be deployed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def test_a_cell_becomes_a_flow_file() -> None:
    from metaflow.runner.utils import format_flowfile

    cell = "from metaflow import FlowSpec\nimport metaflow\nclass A(metaflow.FlowSpec):\n    x = 1\n\nNBRunner(A).nbrun()"
    text = format_flowfile(cell)
    assert "nbrun" not in text and text.endswith("if __name__ == '__main__':\n    A()")
    compile(text, "flow.py", "exec")


def test_a_cell_without_a_flow() -> None:
    from metaflow.runner.utils import format_flowfile

    with pytest.raises(ModuleNotFoundError, match="inherits from 'FlowSpec'"):
        format_flowfile("x = 1")


def test_outside_of_a_notebook() -> None:
    from metaflow import NBRunner
    from metaflow.runner.nbrun import NBRunnerInitializationError

    if "IPython" in sys.modules:
        pytest.skip("this is IPython")
    with pytest.raises((NBRunnerInitializationError, ValueError)):
        NBRunner(type("A", (), {}))


def test_deploying_says_what_to_do_instead() -> None:
    from metaflow import DeployedFlow, Deployer, NBDeployer
    from metaflow.exception import MetaflowException

    deployer = Deployer("flow.py")
    for use in (
        deployer.argo_workflows,
        deployer.step_functions,
        lambda: DeployedFlow.from_deployment("x"),
        lambda: NBDeployer(None),
    ):
        with pytest.raises(MetaflowException, match="Run the flow with `python FLOW.py run`"):
            use()
