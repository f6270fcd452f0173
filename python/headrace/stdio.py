"""The process's own stdout and stderr: what is buffered in them."""

from __future__ import annotations

import os
import sys
from typing import Any


def flush_stdio() -> None:
    """Writes out what is buffered, so that a fork does not write it twice."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            drop_unwritten(stream)


def drop_unwritten(stream: Any) -> None:
    """Empties the buffer of a stream that cannot be written (a full disk, nobody reads): a task would write it into its
    own log."""
    try:
        fd = stream.fileno()
        kept = os.dup(fd)
    except (OSError, ValueError):
        return  # closed: nothing is buffered
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, fd)
        stream.flush()
    finally:
        os.dup2(kept, fd)
        os.close(kept)
        os.close(nowhere)
