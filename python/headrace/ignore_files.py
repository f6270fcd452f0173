"""`.metaflowignore`: what of a folder and of those below it stays out of the code package, in the syntax of gitignore.

The last line that fits a path decides, and a file that lies deeper comes before those above it. What is below a folder that is left
out is not looked at, so no line can bring it back. `?` and `[...]` stand for one character, where git counts bytes.
"""

from __future__ import annotations

import re
from typing import Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .errors import MetaflowException

IGNORE_FILE = ".metaflowignore"

#: Of a pattern that fits no path, such as one that ends in a backslash.
_NEVER = "(?!)"
_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9", "graph": "!-~",
    "lower": "a-z", "print": " -~", "punct": "!-/:-@\\[-`{-~", "space": " \\t\\n\\r", "upper": "A-Z", "xdigit": "0-9a-fA-F",
}


class Rule(NamedTuple):
    """A line of an ignore file. anchored: it is of the path below the file's folder, not of the last name alone."""

    negated: bool
    folders_only: bool
    anchored: bool
    matches: Callable[[str], Optional["re.Match[str]"]]


class IgnoreRules:
    """What the ignore file of a folder says, and those of the folders above it."""

    def __init__(self, rules: Sequence[Rule] = (), prefix: str = "", above: Optional["IgnoreRules"] = None) -> None:
        """prefix: of the paths in that folder, with its slash."""
        self._last_first = list(reversed(rules))
        self._prefix = prefix
        self._above = above

    def with_file(self, path: str, prefix: str) -> "IgnoreRules":
        """These, and those of the ignore file `path`, whose folder's paths begin with `prefix`."""
        return IgnoreRules(read_rules(path), prefix, self)

    def ignore(self, path: str, is_folder: bool) -> bool:
        """Whether a path is left out; none of the folders above it is."""
        name = path.rpartition("/")[2]
        level: Optional[IgnoreRules] = self
        while level is not None:
            inner = path[len(level._prefix):]
            for rule in level._last_first:
                if (is_folder or not rule.folders_only) and rule.matches(inner if rule.anchored else name):
                    return not rule.negated
            level = level._above
        return False


def read_rules(path: str) -> List[Rule]:
    """The rules of a file, in its order. Raises MetaflowException if it cannot be read."""
    try:
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="\n") as f:
            return rules_of(f.read())
    except OSError as e:
        raise MetaflowException(
            "The file %s, which says what stays out of the code package, cannot be read: %s." % (path, e.strerror)
        ) from e


def rules_of(text: str) -> List[Rule]:
    found = (_rule(line[:-1] if line.endswith("\r") else line) for line in text.split("\n"))
    return [rule for rule in found if rule is not None]


def _rule(line: str) -> Optional[Rule]:
    pattern = _without_trailing_spaces(line)
    if pattern.startswith("#"):
        return None
    negated = pattern.startswith("!")
    pattern = pattern[negated:]
    folders_only = pattern.endswith("/")
    if folders_only:
        pattern = pattern[:-1]
    if not pattern:
        return None
    anchored = "/" in pattern
    if pattern.startswith("/"):
        pattern = pattern[1:]
    return Rule(negated, folders_only, anchored, re.compile(_expression(pattern), re.DOTALL).fullmatch)


def _without_trailing_spaces(line: str) -> str:
    """Spaces at the end do not count, but for one after a backslash."""
    bare = line.rstrip(" ")
    backslashes = len(bare) - len(bare.rstrip("\\"))
    return bare + " " if backslashes % 2 and len(bare) < len(line) else bare


def _expression(pattern: str) -> str:
    """The regular expression of a pattern, without the slashes around it."""
    return "".join(_pieces(pattern))


def _pieces(pattern: str) -> Iterator[str]:
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "*":
            end = at
            while pattern[end:end + 1] == "*":
                end += 1
            whole_names = end - at > 1 and (at == 0 or pattern[at - 1] == "/") and pattern[end:end + 1] in ("", "/")
            if not whole_names:
                yield "[^/]*"
            elif end == len(pattern):
                yield ".*"
            else:
                yield "(?:.*/)?"
                end += 1
            at = end
        elif char == "?":
            yield "[^/]"
            at += 1
        elif char == "[":
            expression, at = _bracket(pattern, at + 1)
            yield expression
        elif char == "\\":
            yield re.escape(pattern[at + 1]) if at + 1 < len(pattern) else _NEVER
            at += 2
        else:
            yield re.escape(char)
            at += 1


def _bracket(pattern: str, at: int) -> Tuple[str, int]:
    """One character of a set, which begins at `at`; and where it ends. A set that has no end fits nothing."""
    negated = pattern[at:at + 1] in ("!", "^")
    at += negated
    items: List[str] = []
    last = ""  # the character before, where it can begin a range
    first = True
    while at < len(pattern) and (first or pattern[at] != "]"):
        first = False
        name = _class_name(pattern, at)
        if name is not None:
            if name not in _CLASSES:
                return _NEVER, len(pattern)
            items.append(_CLASSES[name])
            last, at = "", at + len(name) + 4
            continue
        if pattern[at] == "-" and last and pattern[at + 1:at + 2] not in ("", "]"):
            end, at = _character(pattern, at + 1)
            if last <= end:
                items.append("%s-%s" % (re.escape(last), re.escape(end)))
            last = ""
        else:
            last, at = _character(pattern, at)
            items.append(re.escape(last))
    if at >= len(pattern):
        return _NEVER, len(pattern)
    if not items:
        return "[^/]" if negated else _NEVER, at + 1
    return "(?!/)[%s%s]" % ("^" if negated else "", "".join(items)), at + 1


def _class_name(pattern: str, at: int) -> Optional[str]:
    """`alpha` if `[:alpha:]` begins at `at`; None if no class does."""
    if not pattern.startswith("[:", at):
        return None
    end = pattern.find("]", at + 2)
    inner = pattern[at + 2:end] if end >= 0 else ""
    return inner[:-1] if inner.endswith(":") else None


def _character(pattern: str, at: int) -> Tuple[str, int]:
    """The character at `at`, which a backslash may precede; and where it ends."""
    if pattern[at] == "\\":
        at += 1
    return pattern[at:at + 1], at + 1
