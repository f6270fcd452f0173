"""`metaflow.meta_files`: what a code package says of itself. A flow that Headrace runs is in no package."""

from __future__ import annotations


def read_info_file() -> None:
    """None: this process does not run from a code package."""
    return None
