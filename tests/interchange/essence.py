"""What must be the same in two runs of one flow, from what `describe.py` prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

#: What differs between two runs of one flow, besides times and ids.
_NOISE = re.compile(r"\d{16}|\d{4}-\d\d-\d\d[ T][\d:.]+|/[^ '\"]*/|0x[0-9a-f]+|\b[0-9a-f]{32}\b")
#: Frames of a printed traceback that are the framework's own, with the source line below.
_FRAMES = re.compile(r'^.*File "[^"]*/(?:metaflow|headrace|click)/[^"]*", line.*\n.*\n(?:.*[~^]+\n)?', re.M)
#: Artifacts whose pickles name a place or a run: client objects, included files, tracebacks.
_PLACED = ("me", "run", "problem", "text", "data")


def clean(text: str) -> str:
    """A text without what differs between two runs."""
    return _NOISE.sub("*", _FRAMES.sub("", text))


def flow_name(path: Path) -> str:
    found = re.search(r"class (\w+)\(FlowSpec\)", path.read_text())
    assert found
    return found.group(1)


def without_other_nodes(run: Any) -> Any:
    """A run whose first node of a @parallel step has failed: how far the others came is chance. (Metaflow's may even end after the run.)"""
    for told in run["steps"].values():
        told["tasks"] = {task: one for task, one in told["tasks"].items() if "_node_" not in task}
    return run


def without_line(run: Any, step: str, line: str) -> Any:
    """A run without one line in the logs of a step."""
    for task in run["steps"][step]["tasks"].values():
        task["latest"]["stdout"] = task["latest"]["stdout"].replace(line + "\n", "")
    return run


def essence(run: Dict[str, Any]) -> Dict[str, Any]:
    """What must be the same in two runs of one flow, whatever the order in which tasks began."""
    steps: Dict[str, Any] = {}
    for step, told in run["steps"].items():
        tasks = []
        for task in told["tasks"].values():
            latest = task["latest"]
            artifacts = {
                name: (clean(a["data"]), "" if name in _PLACED or _NOISE.search(a["data"]) else a["sha"])
                for name, a in latest["artifacts"].items()
                if name not in ("me", "run", "problem")
            }
            tasks.append(
                {
                    "artifacts": artifacts,
                    "index": latest["index"],
                    "ok": (latest["successful"], latest["finished"], latest["current_attempt"]),
                    "metadata": sorted({clean(field) for field in latest["metadata_dict"]} - {"git-info"}),
                    "stdout": clean(latest["stdout"]),
                    "transition": latest["hidden"].get("_transition"),
                    "stack": latest["hidden"].get("_foreach_stack"),
                    "iterations": latest["hidden"].get("_iteration_stack"),
                    "parents": len(latest.get("parents", ())),
                    "children": len(latest.get("children", ())),
                }
            )
        steps[step] = sorted(tasks, key=lambda t: [str(t[k]) for k in ("stack", "iterations")] + [str(sorted(t["artifacts"].items()))])
    return {"steps": steps, "ok": (run["successful"], run["finished"]), "data": run["data"]}
