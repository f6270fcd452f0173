"""The command line of a flow: `python flow.py [options] COMMAND ...`.

One file a family of commands, imported when one of them is used; click is imported only below this package.
"""

from __future__ import annotations

import os
import sys
from typing import Any, List, Optional

#: Names of `metaflow.cli`, and the files below this package that have them.
_HOMES = {
    "echo": (
        "echo_always", "echo_dev_null", "logger", "print_metaflow_exception", "print_unknown_exception",
        "ERASE_TO_EOL", "HIGHLIGHT", "INDENT", "LOGGER_BAD_COLOR", "LOGGER_COLOR", "LOGGER_TIMESTAMP",
    ),
    "start": ("start", "CliState", "cli"),
    "validate": ("_check",),
}


def _find_click() -> None:
    """In a code package click lies in a folder of its own: the image of a pod need not have it, and one that it has counts."""
    packed = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "_click")
    if packed not in sys.path and os.path.isdir(packed):
        sys.path.append(packed)


_find_click()


def main(
    flow: Any, args: Optional[List[str]] = None, handle_exceptions: bool = True, entrypoint: Optional[List[str]] = None
) -> Any:
    """Runs the command line of `flow`; does not return when `args` is None.

    args: the words after the script's name, by default those of this process; given, the exit code is returned.
    handle_exceptions: print errors and exit with 1, instead of raising them.
    """
    from .start import run_command_line

    return run_command_line(flow, args, handle_exceptions, entrypoint)


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            from importlib import import_module

            return getattr(import_module("." + module, __name__), name)
    raise AttributeError("module 'headrace.cli' has no attribute '%s'" % name)
