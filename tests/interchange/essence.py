"""What must be the same in two runs of one flow, from what `describe.py` prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

#: What differs between two runs of one flow, besides times and ids.
_NOISE = re.compile(r"\d{16}|\d{4}-\d\d-\d\d[ T][\d:.]+|/[^ '\"]*/|0x[0-9a-f]+")



def flow_name(path: Path) -> str:
    found = re.search(r"class (\w+)\(FlowSpec\)", path.read_text())
    assert found
    return found.group(1)


def essence(run: Dict[str, Any]) -> Dict[str, Any]:
    """What must be the same in two runs of one flow, whatever the order in which tasks began."""
    steps: Dict[str, Any] = {}
    for step, told in run["steps"].items():
        tasks = []
        for task in told["tasks"].values():
            latest = task["latest"]
            artifacts = {
                name: (_NOISE.sub("*", a["data"]), a["sha"] if not _NOISE.search(a["data"]) else "")
                for name, a in latest["artifacts"].items()
                if name not in ("me", "run", "problem")
            }
            tasks.append(
                {
                    "artifacts": artifacts,
                    "index": latest["index"],
                    "ok": (latest["successful"], latest["finished"], latest["current_attempt"]),
                    "metadata": sorted(set(latest["metadata_dict"]) - {"git-info"}),
                    "stdout": _NOISE.sub("*", latest["stdout"]),
                    "transition": latest["hidden"].get("_transition"),
                    "stack": latest["hidden"].get("_foreach_stack"),
                    "iterations": latest["hidden"].get("_iteration_stack"),
                    "parents": len(latest.get("parents", ())),
                    "children": len(latest.get("children", ())),
                }
            )
        steps[step] = sorted(tasks, key=lambda t: (str(t["index"]), str(t["iterations"]), str(t["artifacts"])))
    return {"steps": steps, "ok": (run["successful"], run["finished"]), "data": run["data"]}
