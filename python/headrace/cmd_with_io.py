"""`FlowSpec.cmd`: a shell command with files around it (legacy)."""

from __future__ import annotations

from typing import Any, Dict, List

from .errors import ExternalCommandFailed


def cmd(cmdline: str, input: Dict[str, Any], output: List[str]) -> Any:
    """Writes the files of `input` (path -> text or bytes), runs `cmdline`, returns what the files of `output` hold.

    One output gives its bytes, several a list. Raises ExternalCommandFailed when the command's exit code is not 0.
    """
    import subprocess

    for path, data in input.items():
        with open(path, "wb") as file:
            file.write(data.encode("utf-8") if isinstance(data, str) else data)
    if subprocess.call(cmdline, shell=True):
        raise ExternalCommandFailed("Command '%s' returned a non-zero exit code." % cmdline)
    contents = []
    for path in output:
        with open(path, "rb") as file:
            contents.append(file.read())
    return contents[0] if len(contents) == 1 else contents
