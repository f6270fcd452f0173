"""Framing of log lines: `[MFLOG|0|TIME Z|SOURCE|ID]TEXT`, `[![MFLOG|...` for lines to be stored by the reader."""

from __future__ import annotations

import re
from collections import namedtuple
from datetime import datetime
from typing import Any, Iterable, Iterator, List, Optional, Union

VERSION = b"0"
RE = rb"(\[!)?\[MFLOG\|(0)\|(.+?)Z\|(.+?)\|(.+?)\](.*)"
LINE_PARSER = re.compile(RE)
ISOFORMAT = "%Y-%m-%dT%H:%M:%S.%f"
#: Lines without a time sort to the end.
MISSING_TIMESTAMP = datetime(3000, 1, 1)
MISSING_TIMESTAMP_STR = MISSING_TIMESTAMP.strftime(ISOFORMAT)

RUNTIME_LOG_SOURCE = "runtime"
TASK_LOG_SOURCE = "task"
#: Merged in this order when times are equal.
LOG_SOURCES = [RUNTIME_LOG_SOURCE, TASK_LOG_SOURCE]

MFLogline = namedtuple(
    "MFLogline", ["should_persist", "version", "utc_tstamp_str", "logsource", "id", "msg", "utc_tstamp"]
)
MFLogline.__module__ = "metaflow.mflog.mflog"

Text = Union[str, bytes]


def _bytes(text: Text) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else text


def decorate(source: Text, line: Text, version: bytes = VERSION, now: Optional[datetime] = None,
             lineid: Optional[Text] = None) -> bytes:
    """The line, framed. now: UTC. lineid: made up if absent."""
    now = datetime.utcnow() if now is None else now
    if lineid is None:
        import uuid

        lineid = str(uuid.uuid4())
    stamp = now.strftime(ISOFORMAT)
    return b"[MFLOG|%s|%sZ|%s|%s]%s" % (version, _bytes(stamp), _bytes(source), _bytes(lineid), _bytes(line))


def is_structured(line: bytes) -> bool:
    """Whether the line is framed."""
    return line.startswith((b"[MFLOG|", b"[![MFLOG|"))


def parse(line: Text) -> Optional[Any]:
    """The parts of a framed line, None for another line."""
    match = LINE_PARSER.match(_bytes(line))
    if match is None:
        return None
    try:
        fields = list(match.groups())
        fields.append(datetime.strptime(fields[2].decode("ascii"), ISOFORMAT))
        return MFLogline(*fields)
    except (UnicodeDecodeError, ValueError):
        return None


def set_should_persist(line: Text) -> bytes:
    """Marks a framed line to be stored by whoever reads it."""
    data = _bytes(line)
    return b"[!" + data if is_structured(data) and not data.startswith(b"[!") else data


def unset_should_persist(line: Text) -> bytes:
    """Takes that mark away."""
    data = _bytes(line)
    return data[2:] if is_structured(data) and data.startswith(b"[!") else data


def refine(line: Text, prefix: Optional[Text] = None, suffix: Optional[Text] = None) -> bytes:
    """Adds text at the start or the end of a framed line's text."""
    data = _bytes(line)
    head, bracket, text = data.partition(b"]")
    if not is_structured(data) or not bracket:
        return data
    return head + bracket + _bytes(prefix or b"") + text + _bytes(suffix or b"")


def merge_logs(logs: Iterable[bytes]) -> Iterator[Any]:
    """The lines of several logs by time; a line without a frame follows the line before it."""
    lines: List[Any] = []
    for log in logs:
        missing = 0
        for raw in log.splitlines():
            found = parse(raw)
            if found is None:
                missing += 1
                found = MFLogline(False, None, MISSING_TIMESTAMP_STR.encode("ascii"), None, None, raw, MISSING_TIMESTAMP)
            lines.append(found)
    lines.sort(key=lambda line: line.utc_tstamp)
    return iter(lines)


def update_delay(secs_since_start: float) -> float:
    """Seconds between two stores of a running task's log: a quarter at first, half a minute later."""
    import math

    return 0.25 + 30.0 / (1.0 + math.exp(-0.01 * secs_since_start + 9.0))
