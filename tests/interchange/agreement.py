"""What must hold of a run wherever its data is. `written(writer, flow)` is a fixture: (both products in a folder, how the run ended)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict

from essence import essence, flow_name


def assert_read_alike(written: Any, writer: str, flow_file: Path, succeeds: bool) -> Dict[str, Any]:
    """Both clients say the same of the run; returns what they say."""
    both, ran = written(writer, flow_file)
    assert (ran.code == 0) == succeeds, ran.stdout + ran.stderr
    flow = flow_name(flow_file)
    ours, theirs = (both.describe(reader, flow) for reader in ("headrace", "metaflow"))
    assert ours == theirs
    (run,) = ours["runs"].values()
    assert run["successful"] is succeeds
    return dict(run)


def assert_written_alike(written: Any, flow_file: Path) -> None:
    """Same artifacts with the same keys, same metadata fields, logs, transitions and attempts."""
    flow = flow_name(flow_file)
    found = []
    for writer in ("headrace", "metaflow"):
        both, _ = written(writer, flow_file)
        (run,) = both.describe("metaflow", flow)["runs"].values()
        found.append(essence(run))
    assert found[0] == found[1]
