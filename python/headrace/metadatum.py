"""A record about a task, as decorators register it."""

from __future__ import annotations

from typing import Any, List, NamedTuple


class MetaDatum(NamedTuple):
    """One record: its field, value, type, and tags of its own."""

    field: str
    value: Any
    type: str
    tags: List[str]


MetaDatum.__module__ = "metaflow.metadata_provider.metadata"
