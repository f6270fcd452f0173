"""Draws the plain charts of Vega-Lite as SVG: one mark over `x` and `y`, with the data in the specification."""

from __future__ import annotations

import html
from typing import Any, Dict, List, Optional, Tuple

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _EDGE = 640, 300, 60, 40, 12
_POINTS_MAX = 5000
_COLOURS = ("#3b6fd6", "#e07b39", "#3a9d5d", "#b5489b", "#8a6d3b", "#46a5b5")


def chart_svg(spec: Any) -> Optional[str]:
    """The chart, or None if it is of a kind that is not drawn here."""
    try:
        rows, mark, x, y, colour = _read(spec)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if not rows or mark not in ("bar", "line", "area", "point", "circle", "square", "tick"):
        return None
    return _Drawing(rows, mark, x, y, colour).svg()


def _read(spec: Dict[str, Any]) -> Tuple[List[Dict[str, Any]], str, str, str, Optional[str]]:
    data = spec["data"]
    values = data["values"] if "values" in data else spec["datasets"][data["name"]]
    mark = spec["mark"]
    mark = mark["type"] if isinstance(mark, dict) else mark
    encoding = spec["encoding"]
    for channel in encoding.values():
        if isinstance(channel, dict) and (channel.get("aggregate") or channel.get("bin")):
            raise ValueError("values that are computed are not drawn")
    x, y = encoding["x"]["field"], encoding["y"]["field"]
    colour = encoding.get("color", {}).get("field")
    rows = [row for row in values[:_POINTS_MAX] if row.get(x) is not None and _is_number(row.get(y))]
    return rows, mark, x, y, colour


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


class _Drawing:
    """Places values on a sheet. x: numbers, or names in their order; y: numbers."""

    def __init__(self, rows: List[Dict[str, Any]], mark: str, x: str, y: str, colour: Optional[str]) -> None:
        self._rows, self._mark, self._x, self._y, self._colour = rows, mark, x, y, colour
        xs = [row[x] for row in rows]
        self._numeric = mark != "bar" and all(map(_is_number, xs))
        self._names = list(dict.fromkeys(map(str, xs)))
        self._low: float = min(xs) if self._numeric else 0
        self._high: float = max(xs) if self._numeric else 0
        ys = [row[y] for row in rows]
        self._bottom, self._top = (min(ys + [0]), max(ys + [0])) if mark in ("bar", "area") else (min(ys), max(ys))
        groups = [str(row.get(colour)) if colour else "" for row in rows]
        self._groups = list(dict.fromkeys(groups))

    def _at_x(self, value: Any) -> float:
        room = _WIDTH - _LEFT - _EDGE
        if self._numeric:
            return _LEFT + room * _share(value, self._low, self._high)
        return _LEFT + room * (self._names.index(str(value)) + 0.5) / len(self._names)

    def _at_y(self, value: float) -> float:
        return _EDGE + (_HEIGHT - _BOTTOM - _EDGE) * (1 - _share(value, self._bottom, self._top))

    def svg(self) -> str:
        parts = [self._axes()]
        for number, group in enumerate(self._groups):
            rows = [row for row in self._rows if not self._colour or str(row.get(self._colour)) == group]
            parts.append(self._marks(rows, _COLOURS[number % len(_COLOURS)]))
            if self._colour:
                parts.append(_label(_WIDTH - _EDGE, _EDGE + 14 * (number + 1), group, "end", _COLOURS[number % len(_COLOURS)]))
        return '<svg viewBox="0 0 %d %d" width="100%%" style="max-width:%dpx" role="img">%s</svg>' % (
            _WIDTH, _HEIGHT, _WIDTH, "".join(parts)
        )

    def _marks(self, rows: List[Dict[str, Any]], colour: str) -> str:
        points = [(self._at_x(row[self._x]), self._at_y(row[self._y])) for row in rows]
        base = self._at_y(max(self._bottom, min(0, self._top)))
        if self._mark == "bar":
            width = 0.8 * (_WIDTH - _LEFT - _EDGE) / len(self._names)
            return "".join(
                '<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s"/>'
                % (x - width / 2, min(y, base), width, abs(base - y), colour) for x, y in points
            )
        if self._mark in ("line", "area"):
            points.sort()
            path = " ".join("%.1f,%.1f" % point for point in points)
            if self._mark == "line":
                return '<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour)
            ends = "%.1f,%.1f %s %.1f,%.1f" % (points[0][0], base, path, points[-1][0], base)
            return '<polygon points="%s" fill="%s" fill-opacity=".6"/>' % (ends, colour)
        return "".join('<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x, y, colour) for x, y in points)

    def _axes(self) -> str:
        floor = _HEIGHT - _BOTTOM
        parts = ['<path d="M%d %dV%dH%d" fill="none" stroke="#999"/>' % (_LEFT, _EDGE, floor, _WIDTH - _EDGE)]
        for step in range(5):
            value = self._bottom + (self._top - self._bottom) * step / 4
            parts.append(_label(_LEFT - 6, self._at_y(value) + 4, _number(value), "end"))
        if self._numeric:
            ticks = [(self._low + (self._high - self._low) * step / 4) for step in range(5)]
            parts += [_label(self._at_x(tick), floor + 16, _number(tick), "middle") for tick in ticks]
        else:
            every = max(1, len(self._names) // 12)
            parts += [_label(self._at_x(name), floor + 16, name[:14], "middle") for name in self._names[::every]]
        parts.append(_label((_LEFT + _WIDTH) / 2, _HEIGHT - 6, self._x, "middle"))
        parts.append(_label(4, _EDGE, self._y, "start"))
        return "".join(parts)


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5


def _number(value: float) -> str:
    return "%.4g" % value


def _label(x: float, y: float, text: str, anchor: str, colour: str = "currentColor") -> str:
    return '<text x="%.1f" y="%.1f" text-anchor="%s" font-size="11" fill="%s">%s</text>' % (
        x, y, anchor, colour, html.escape(str(text))
    )
