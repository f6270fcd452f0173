"""The attempt in a pod that tests of the agent share."""

from __future__ import annotations

import pytest
from agent_kit import Pod
from products import Product


@pytest.fixture
def pod(headrace: Product) -> Pod:
    return Pod(headrace)
