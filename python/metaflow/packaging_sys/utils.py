"""`metaflow.packaging_sys.utils`: finding the files of a code package."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import Callable, Iterator, List, Optional, Tuple

from headrace.package import suffix_filter  # noqa: F401
from metaflow.util import to_unicode, walk_without_cycles


def walk(root: str, exclude_hidden: bool = True, file_filter: Optional[Callable[[str], bool]] = None,
         exclude_tl_dirs: Optional[List[str]] = None) -> Iterator[Tuple[str, str]]:
    """Files below a folder: the path, and the path from the folder that holds `root`.

    exclude_hidden: without folders whose names begin with a dot. file_filter: of file names. exclude_tl_dirs: names of
    folders that are left out.
    """
    root = to_unicode(root)
    above = len(os.path.dirname(root)) + 1
    for folder, _, files in walk_without_cycles(root, exclude_tl_dirs):
        if exclude_hidden and "/." in folder[len(root.rstrip(os.sep)):]:
            continue
        for name in files:
            if file_filter is None or file_filter(name):
                path = os.path.join(folder, name)
                yield path, path[above:]


@contextmanager
def with_dir(new_dir: str) -> Iterator[str]:
    """Runs the block in another current directory."""
    before = os.getcwd()
    os.chdir(new_dir)
    try:
        yield new_dir
    finally:
        os.chdir(before)
