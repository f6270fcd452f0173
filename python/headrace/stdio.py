"""The process's own stdout and stderr: what is buffered in them."""

from __future__ import annotations

import os
import sys
from typing import Any, List


def flush_stdio() -> None:
    """Writes out what is buffered, so that a fork does not write it twice."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, *replaced_streams):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            drop_unwritten(stream)


def renew_stdio() -> None:
    """In a task, whose descriptors 1 and 2 are pipes now: streams that know it, where the command's output goes to a file.

    Such a stream was made over a file and remembers that it can seek, which `sys.stdout.reconfigure` then does. A stream that the
    user has put in its place is left alone.
    """
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream: Any = getattr(sys, name)
        if stream is None or stream is not getattr(sys, "__%s__" % name) or not stream.seekable():
            continue
        import io

        renewed = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(fd, "w", closefd=False)), encoding=stream.encoding, errors=stream.errors,
            line_buffering=stream.line_buffering, write_through=stream.write_through,
        )
        renewed.mode = "w"  # type: ignore[misc]  # As the interpreter's own.
        replaced_streams.append(stream)
        setattr(sys, name, renewed)
        setattr(sys, "__%s__" % name, renewed)


#: Kept, so that their end does not close the descriptors, and flushed: the user's code may have taken hold of them.
replaced_streams: List[Any] = []


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
