"""What tests of commands share: a flow, and a command that has ended."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Dict, List, Optional

PYTHON = Path(__file__).resolve().parents[2]
REAL = os.environ.get("HEADRACE_METAFLOW_PYTHON", "/opt/metaflow-venv/bin/python")

HELLO = """
from metaflow import FlowSpec, step

class HelloFlow(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    HelloFlow()
"""


class Ran:
    """A command that has ended. spec: what the engine was given, None if it was not started."""

    def __init__(self, done: "subprocess.CompletedProcess[str]", captured: Path) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        stored = json.loads(captured.read_text()) if captured.exists() else None
        self.spec: Optional[Dict[str, Any]] = stored and stored["spec"]
        self.parameters: Dict[str, str] = {name: value for name, _, value in stored["parameters"]} if stored else {}
        package = captured.with_name(captured.name + ".package")
        #: The code package that the engine was given.
        self.package = package.read_bytes() if package.exists() else b""
        self.types: Dict[str, str] = {name: kind for name, kind, _ in stored["parameters"]} if stored else {}

    def step(self, name: str) -> Dict[str, Any]:
        assert self.spec is not None, self.err
        (found,) = [s for s in self.spec["graph"]["steps"] if s["name"] == name]
        return found


def environment(**more: str) -> Dict[str, str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("METAFLOW_", "PYTHON", "HEADRACE_"))}
    env.update(METAFLOW_USER="ann", METAFLOW_HOME="/nonexistent", PYTHONPATH=str(PYTHON))
    env.update(more)
    return env


def error_block(text: str) -> List[str]:
    """The lines after the banner."""
    return text.split("\n")[1:]
