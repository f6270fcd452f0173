"""`metaflow.metadata_provider.util`: metadata of pods and batch jobs in the datastore. The engine writes metadata where it belongs."""

from __future__ import annotations

import os

from headrace.absent import getattr_of

__getattr__ = getattr_of(__name__)


def copy_tree(src: str, dst: str, update: bool = False) -> None:
    """Copies a folder's content. update: only files that are newer than their copy."""
    import shutil

    os.makedirs(dst, exist_ok=True)
    for name in os.listdir(src):
        here, there = os.path.join(src, name), os.path.join(dst, name)
        if os.path.isdir(here):
            copy_tree(here, there, update)
        elif not (update and os.path.exists(there) and os.path.getmtime(here) <= os.path.getmtime(there)):
            shutil.copy2(here, there)
