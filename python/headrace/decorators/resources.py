"""`@resources`: what a step needs, wherever it runs."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

from .base import StepDecorator


class ResourcesDecorator(StepDecorator):
    """What a step needs; no effect on a local run, merged into `@kubernetes` and `@batch`.

    cpu, gpu: a number of each. memory, disk: MB (10**6 bytes). shared_memory: MiB of /dev/shm.
    """

    name = "resources"
    defaults: Dict[str, Any] = {"cpu": "1", "gpu": None, "disk": None, "memory": "4096", "shared_memory": None}


ResourcesDecorator.__module__ = "metaflow.plugins.resources_decorator"


def asked_resources(decorators: Iterable[Any]) -> Optional[Dict[str, float]]:
    """`{"cpu", "memory_mb"}` of a step's `@resources`, None if it has none; for advice after a failure."""
    for deco in decorators:
        if deco.name == "resources":
            try:
                return {"cpu": float(deco.attributes["cpu"] or 0), "memory_mb": float(deco.attributes["memory"] or 0)}
            except (TypeError, ValueError):
                return None
    return None
