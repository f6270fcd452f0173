"""What the command line itself says: stderr, with colours on a terminal."""

from __future__ import annotations

import sys
from typing import Any, Optional, TextIO, Tuple

from ..errors import MetaflowException
from ..stdio import drop_unwritten

ERASE_TO_EOL = "\033[K"
HIGHLIGHT = "red"
INDENT = " " * 4

LOGGER_TIMESTAMP = "magenta"
LOGGER_COLOR = "green"
LOGGER_BAD_COLOR = "red"

_COLOURS = {
    "black": 30, "red": 31, "green": 32, "yellow": 33, "blue": 34, "magenta": 35, "cyan": 36, "white": 37,
}


def _is_terminal(stream: Optional[TextIO]) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def _write(stream: Optional[TextIO], text: str) -> None:
    """Writes all of `text`. What the stream's encoding cannot say becomes `?`."""
    if stream is None:
        # The process was started without this stream: nobody is to hear.
        return
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as e:
        # Or Python complains once more at its end.
        drop_unwritten(stream)
        if stream is sys.stderr:
            # Closed, or on a full disk: there is nowhere to say so, and results are on stdout.
            return
        raise MetaflowException("Results cannot be written to stdout: %s." % e.strerror) from None


def _styled(text: str, fg: Optional[str], bold: Optional[bool]) -> str:
    colour = "\033[%dm" % _COLOURS[fg] if fg else ""
    weight = "" if bold is None else "\033[%dm" % (1 if bold else 22)
    return "%s%s%s\033[0m" % (colour, weight, text)


def _strip_ansi(text: str) -> str:
    if "\033" not in text:
        return text
    import re

    return re.sub(r"\033\[[;?0-9]*[a-zA-Z]", "", text)


def secho(
    text: str, err: bool = False, nl: bool = True, fg: Optional[str] = None, bold: Optional[bool] = None
) -> None:
    """Prints `text`, on a terminal in colour; elsewhere all ANSI codes are taken out. bold: None says nothing of it."""
    stream = sys.stderr if err else sys.stdout
    if _is_terminal(stream):
        text = _styled(text, fg, bold)
    else:
        text = _strip_ansi(text)
    _write(stream, text + "\n" if nl else text)


def echo_dev_null(*args: Any, **kwargs: Any) -> None:
    """Says nothing: what `--quiet` puts in place of `echo_always`."""


def echo_always(
    line: str,
    err: bool = True,
    nl: bool = True,
    indent: bool = False,
    wrap: bool = False,
    fg: Optional[str] = None,
    bold: bool = False,
    highlight: Optional[str] = HIGHLIGHT,
    highlight_bold: bool = True,
    no_bold: bool = False,
    padding_top: bool = False,
    padding_bottom: bool = False,
    **ignored: Any,
) -> None:
    """Prints a line; what stands between two `*` is highlighted and the asterisks are dropped.

    indent: by four spaces. wrap: at 80 columns. no_bold: `*` has no meaning. padding_top, padding_bottom: blank lines.
    """
    line = str(line)
    if wrap:
        import textwrap

        margin = INDENT if indent else ""
        lines = textwrap.wrap(line, width=80 - len(margin), break_long_words=False)
        line = "\n".join(margin + text for text in lines)
    elif indent:
        line = "\n".join(INDENT + text for text in line.splitlines())
    if nl:
        line += ERASE_TO_EOL
    if padding_top:
        secho(ERASE_TO_EOL, err=err, fg=fg, bold=bold or None)
    # What ends the line has the style of its last part.
    style: Tuple[Optional[str], Optional[bool]] = (None, None)
    if no_bold:
        secho(line, err=err, nl=False)
    else:
        for i, span in enumerate(line.split("*")):
            style = (highlight, highlight_bold) if i % 2 else (fg, bold)
            secho(span, err=err, nl=False, fg=style[0], bold=style[1])
    if nl:
        secho("", err=err, fg=style[0], bold=style[1])
    if padding_bottom:
        secho(ERASE_TO_EOL, err=err, fg=style[0], bold=style[1])


def logger(
    body: str = "", system_msg: bool = False, head: str = "", bad: bool = False, timestamp: Any = True, nl: bool = True
) -> None:
    """Prints a run line on stdout. timestamp: True for now, False for none, or a datetime."""
    if timestamp:
        import datetime

        moment = datetime.datetime.now() if timestamp is True else timestamp
        secho(moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + " ", fg=LOGGER_TIMESTAMP, nl=False)
    if head:
        secho(head, fg=LOGGER_COLOR, nl=False)
    secho(body, bold=system_msg, fg=LOGGER_BAD_COLOR if bad else None, nl=nl)


def print_metaflow_exception(ex: MetaflowException) -> None:
    """The block of a failure: headline with its place in the source, message, blank line."""
    echo_always(ex.headline, indent=True, nl=False, bold=True)
    location = ""
    if ex.source_file is not None:
        location += " in file %s" % ex.source_file
    if ex.line_no is not None:
        location += " on line %d" % ex.line_no
    echo_always(location + ":", bold=True)
    echo_always(ex.message, indent=True, bold=False, padding_bottom=True)


def print_unknown_exception(ex: BaseException) -> None:
    """The block of an exception that nobody expected. If code of the user was running, without the frames that led to it."""
    import traceback

    trace = traceback.format_exception(type(ex), ex, _users_part(ex.__traceback__))
    echo_always("Internal error", indent=True, bold=True)
    echo_always("".join(trace), highlight=None, highlight_bold=False)


def _users_part(trace: Any) -> Any:
    """A traceback from the first frame on that is neither of this package nor of click; all of it if there is none."""
    import os

    import click

    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
    frameworks = (here, os.path.dirname(os.path.abspath(click.__file__)) + os.sep)
    found = trace
    while found is not None and found.tb_frame.f_code.co_filename.startswith(frameworks):
        found = found.tb_next
    return trace if found is None else found
