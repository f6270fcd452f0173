"""The flow's graph as card pages show it."""

from __future__ import annotations

from typing import Any, Dict

_KINDS = {"split-parallel": "foreach", "split-foreach": "foreach", "split-switch": "switch"}
_SAME = ("linear", "start", "end", "join", "split")


def transform_flow_graph(graph: Dict[str, Any]) -> Dict[str, Any]:
    """`steps` (with type, next steps and doc), `start_step` and `end_step` of a `_graph_info`, or of its bare steps."""
    whole = all(key in graph for key in ("steps", "start_step", "end_step"))
    infos = graph["steps"] if whole else graph
    steps: Dict[str, Any] = {}
    for name, info in infos.items():
        kind = _KINDS.get(info["type"], info["type"] if info["type"] in _SAME else "unknown")
        steps[name] = {
            "type": kind,
            "box_next": info["type"] not in ("linear", "join"),
            "box_ends": info.get("matching_join"),
            "next": info["next"],
            "doc": info["doc"],
        }
        if kind == "switch":
            steps[name].update({key: info[key] for key in ("condition", "switch_cases") if key in info})
    start, end = ("start" if "start" in graph else None), ("end" if "end" in graph else None)
    return {
        "steps": steps,
        "start_step": graph["start_step"] if whole else start,
        "end_step": graph["end_step"] if whole else end,
    }
