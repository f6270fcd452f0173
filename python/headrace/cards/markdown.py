"""The part of Markdown that cards need: headings, lists, code, quotes, tables, emphasis, links, images."""

from __future__ import annotations

import html
import re
from typing import List

_INLINE = (
    (re.compile(r"!\[([^\]]*)\]\((data:image/[^)\s]+|https?://[^)\s]+)\)"), r'<img alt="\1" src="\2">'),
    (re.compile(r"\[([^\]]+)\]\((https?://[^)\s]+|#[^)\s]*)\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"\*\*(.+?)\*\*|__(.+?)__"), lambda m: "<strong>%s</strong>" % (m.group(1) or m.group(2))),
    (re.compile(r"(?<![\w*])\*(?!\s)(.+?)\*(?!\w)|(?<!\w)_(?!\s)(.+?)_(?!\w)"),
     lambda m: "<em>%s</em>" % (m.group(1) or m.group(2))),
    (re.compile(r"~~(.+?)~~"), r"<del>\1</del>"),
)
_BULLET = re.compile(r"^\s*[-*+]\s+(.*)$")
_NUMBER = re.compile(r"^\s*\d+[.)]\s+(.*)$")
_RULE = re.compile(r"^\s*([-*_])(\s*\1){2,}\s*$")
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$")


def inline_html(text: str) -> str:
    """One line's text; code spans are left as they are."""
    parts = re.split(r"(`+[^`]+`+)", text)
    for at, part in enumerate(parts):
        escaped = html.escape(part, quote=True)
        if at % 2:
            parts[at] = "<code>%s</code>" % escaped.strip("`")
            continue
        for pattern, replacement in _INLINE:
            escaped = pattern.sub(replacement, escaped)
        parts[at] = escaped
    return "".join(parts)


def markdown_to_html(source: str) -> str:
    """HTML of a text in Markdown. HTML in the text is shown, not used."""
    return "\n".join(_Blocks(source.splitlines()).all())


class _Blocks:
    """Reads the lines of a text block by block."""

    def __init__(self, lines: List[str]) -> None:
        self._lines = lines
        self._at = 0

    def all(self) -> List[str]:
        found = []
        while self._at < len(self._lines):
            if not self._lines[self._at].strip():
                self._at += 1
                continue
            found.append(self._block())
        return found

    def _take_while(self, wanted: "object") -> List[str]:
        start = self._at
        while self._at < len(self._lines) and wanted(self._lines[self._at]):  # type: ignore[operator]
            self._at += 1
        return self._lines[start:self._at]

    def _block(self) -> str:
        line = self._lines[self._at]
        stripped = line.strip()
        if stripped.startswith(("```", "~~~")):
            fence = stripped[:3]
            self._at += 1
            code = self._take_while(lambda each: not each.strip().startswith(fence))
            self._at += 1
            return "<pre>%s</pre>" % html.escape("\n".join(code))
        heading = re.match(r"^(#{1,6})\s+(.*?)\s*#*$", stripped)
        if heading:
            self._at += 1
            level = len(heading.group(1))
            return "<h%d>%s</h%d>" % (level, inline_html(heading.group(2)), level)
        if _RULE.match(line):
            self._at += 1
            return "<hr>"
        if stripped.startswith(">"):
            quoted = self._take_while(lambda each: each.strip().startswith(">"))
            inner = "\n".join(each.strip()[1:].strip() for each in quoted)
            return "<blockquote>%s</blockquote>" % markdown_to_html(inner)
        for pattern, tag in ((_BULLET, "ul"), (_NUMBER, "ol")):
            if pattern.match(line):
                items = self._take_while(lambda each: bool(pattern.match(each)))
                inner = "".join("<li>%s</li>" % inline_html(pattern.match(each).group(1))  # type: ignore[union-attr]
                                for each in items)
                return "<%s>%s</%s>" % (tag, inner, tag)
        if "|" in line and self._at + 1 < len(self._lines) and _TABLE_RULE.match(self._lines[self._at + 1]):
            return self._table()
        return "<p>%s</p>" % "<br>".join(map(inline_html, self._paragraph()))

    def _paragraph(self) -> List[str]:
        lines = [self._lines[self._at].strip()]
        self._at += 1
        return lines + [each.strip() for each in self._take_while(_goes_on)]

    def _table(self) -> str:
        rows = self._take_while(lambda each: "|" in each)
        cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
        lines = []
        for at, row in enumerate(cells):
            if at != 1:
                tag = "th" if at == 0 else "td"
                lines.append("<tr>%s</tr>" % "".join("<%s>%s</%s>" % (tag, inline_html(cell), tag) for cell in row))
        return "<table>%s</table>" % "".join(lines)


def _goes_on(line: str) -> bool:
    """Whether a line continues the paragraph before it."""
    stripped = line.strip()
    starts = stripped.startswith(("#", ">", "```", "~~~")) or _BULLET.match(line) or _NUMBER.match(line)
    return bool(stripped) and not starts and not _RULE.match(line)
