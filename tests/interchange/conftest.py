"""Datastores written by one product, kept for the session, and both products looking at them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import pytest

HERE = Path(__file__).resolve().parent
FLOWS = HERE.parent / "flows"


class Both:
    """The two products in one folder: `both.headrace("flow.py", ...)`, `both.metaflow(...)`."""

    def __init__(self, headrace: Any, metaflow: Any, folder: Path) -> None:
        self.folder = folder
        self.headrace = headrace.__class__("headrace", headrace.python, headrace.env, folder)
        self.metaflow = metaflow.__class__("metaflow", metaflow.python, metaflow.env, folder)

    def __getitem__(self, name: str) -> Any:
        return getattr(self, name)

    def copy(self, flow: Path) -> str:
        """Puts a flow's file into the folder; its name."""
        shutil.copy(flow, self.folder)
        return flow.name

    def describe(self, reader: str, flow: str, *runs: str) -> Dict[str, Any]:
        """What the client of `reader` says of the folder's datastore."""
        ran = self[reader](str(HERE / "describe.py"), flow, *runs)
        assert ran.code == 0, ran.stderr
        told: Dict[str, Any] = json.loads(ran.stdout)
        return told

    def python(self, reader: str, code: str) -> str:
        """What a script prints that is run with the Python of `reader`."""
        ran = self[reader]("-c", code)
        assert ran.code == 0, ran.stderr
        text: str = ran.stdout
        return text


@pytest.fixture
def both(headrace: Any, metaflow: Any, tmp_path: Path) -> Both:
    """Both products in one empty folder."""
    folder = tmp_path / "both"
    folder.mkdir()
    return Both(headrace, metaflow, folder)


_written: Dict[Tuple[str, str], Tuple[Path, Any]] = {}


@pytest.fixture
def written(headrace: Any, metaflow: Any, tmp_path_factory: Any) -> Callable[..., Tuple[Both, Any]]:
    """`written(writer, flow file)`: (both products in a folder where `writer` has run the flow, what it said)."""

    def write(writer: str, flow: Path) -> Tuple[Both, Any]:
        key = (writer, flow.name)
        if key not in _written:
            folder = tmp_path_factory.mktemp("%s-%s-" % (writer, flow.stem))
            products = Both(headrace, metaflow, folder)
            for name in os.listdir(HERE / "flows"):
                if name.endswith(".txt"):
                    shutil.copy(HERE / "flows" / name, folder)
            # One at a time: when a task fails, none of its siblings is running.
            words = ("--no-pylint", "run", "--tag", "mine", "--max-workers", "1")
            _written[key] = folder, products[writer](products.copy(flow), *words)
        folder, ran = _written[key]
        return Both(headrace, metaflow, folder), ran

    return write
