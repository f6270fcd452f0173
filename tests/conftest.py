"""What spans modules: whole runs of Headrace, and of the real Metaflow beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Callable, List, Tuple

import pytest
from products import ROOT, Product, base_environment, headrace_in, without_noise

sys.path.insert(0, str(ROOT / "testbed"))

from bed_fixtures import s3, small_disk  # noqa: E402, F401


@pytest.fixture
def headrace(tmp_path: Path) -> Product:
    return headrace_in(tmp_path / "headrace")


@pytest.fixture
def metaflow(tmp_path: Path) -> Product:
    python = os.environ.get("HEADRACE_METAFLOW_PYTHON", "")
    if not python:
        pytest.skip("no real Metaflow: HEADRACE_METAFLOW_PYTHON is not set (./test sets it)")
    (tmp_path / "metaflow").mkdir()
    env = dict(base_environment(), METAFLOW_HOME=str(tmp_path / "no-config"))
    return Product("metaflow", python, env, tmp_path / "metaflow")


@pytest.fixture
def noiseless() -> Callable[[str], List[str]]:
    return without_noise


@pytest.fixture
def certificate(tmp_path: Path) -> Tuple[str, str]:
    """Files of a certificate of this machine's loopback, signed by itself, and of its key."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=bed", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key
