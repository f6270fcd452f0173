"""The environment in which steps run: this interpreter, with what is installed."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict


class MetaflowEnvironment:
    """The local environment: every step has the interpreter that started the run."""

    TYPE = "local"

    def __init__(self, flow: Any) -> None:
        self.flow = flow

    def executable(self, step_name: str, default: Any = None) -> str:
        """The interpreter of a step."""
        return default if default is not None else sys.executable

    def validate_environment(self, logger: Any, datastore_type: str) -> None:
        """Nothing to check."""

    def init_environment(self, logger: Any) -> None:
        """Nothing to prepare."""

    def get_environment_info(self, include_ext_info: bool = False) -> Dict[str, Any]:
        """What is recorded about where a run was started."""
        import platform

        from ._version import METAFLOW_FULL_VERSION
        from .identity import get_username

        return {
            "platform": platform.system(),
            "username": get_username(),
            "production_token": os.environ.get("METAFLOW_PRODUCTION_TOKEN"),
            "runtime": os.environ.get("METAFLOW_RUNTIME_NAME", "dev"),
            "app": os.environ.get("APP"),
            "environment_type": self.TYPE,
            "use_r": False,
            "python_version": sys.version,
            "python_version_code": "%d.%d.%d" % sys.version_info[:3],
            "metaflow_version": METAFLOW_FULL_VERSION,
            "script": os.path.basename(os.path.abspath(sys.argv[0])),
        }


MetaflowEnvironment.__module__ = "metaflow.metaflow_environment"
