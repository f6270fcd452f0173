"""The engine's own tests that need a real cluster: its Kubernetes client, and its launcher with small programs in the place of the agent."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from api import Namespace
from bed import Cluster

PROGRAMS = Path(__file__).resolve().parents[2] / "build" / "dev" / "engine"
TIMEOUT_S = 600


@pytest.mark.parametrize("module", ["kube", "launch"])
def test_the_engines_own_tests_pass(our_bed: Cluster, namespace: Namespace, module: str) -> None:
    env = dict(os.environ, KUBECONFIG=our_bed.kubeconfig, HEADRACE_TEST_NAMESPACE=namespace.name)
    ran = subprocess.run([str(PROGRAMS / module / (module + "_test")), "--gtest_brief=1", "--gtest_filter=RealCluster.*"], env=env,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S)
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\[  PASSED  \] \d+ tests", ran.stdout) and "SKIPPED" not in ran.stdout, ran.stdout
