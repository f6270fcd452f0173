"""The HTML of a card: one file, without scripts and without anything to fetch."""

from __future__ import annotations

import html
import json
from typing import Any, Callable, Dict, Iterable, List

from .chart import chart_svg
from .markdown import markdown_to_html

_CSS = """
body{font:15px/1.5 system-ui,sans-serif;margin:0;color:#222;background:#f5f6f8}
main{max-width:70em;margin:0 auto;padding:1.5em}
h1{font-size:1.3em;overflow-wrap:anywhere}h2{font-size:1.15em}h3{font-size:1em;margin:.3em 0}
section{background:#fff;border:1px solid #dfe2e7;border-radius:6px;padding:1em 1.2em;margin:1em 0;overflow-x:auto}
section section{border:0;padding:.4em 0;margin:0}
table{border-collapse:collapse}td,th{border-bottom:1px solid #e6e8ec;padding:.35em .8em .35em 0;text-align:left;
vertical-align:top}th{font-weight:600;color:#555}
pre{background:#f5f6f8;padding:.8em;overflow:auto;max-height:40em;border-radius:4px;font:13px/1.45 ui-monospace,monospace}
img{max-width:100%}figure{margin:.5em 0}figcaption,.sub{color:#666;font-size:.9em}
.cols{display:grid;gap:1em}.bar{background:#e6e8ec;border-radius:4px;height:.8em}.bar i{display:block;height:100%;
background:#3b6fd6;border-radius:4px}.box{display:inline-block;border:1px solid #dfe2e7;border-radius:6px;
padding:.7em 1.2em;margin:.3em}.box b{display:block;font-size:1.7em}.success{background:#e7f6ec}.warning{background:#fdf3d8}
.danger,.error{background:#fde8e6}.info,.primary{background:#e8f0fd}ol.dag{padding-left:1.4em}
@media(prefers-color-scheme:dark){body{background:#16181c;color:#ddd}section{background:#1f2227;border-color:#33373e}
pre{background:#16181c}td,th{border-color:#33373e}th,.sub,figcaption{color:#aaa}}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>%(title)s</title><style>%(css)s</style></head>
<body%(state)s><main>
%(body)s
</main></body></html>
"""


def page_html(title: str, components: Iterable[Any], running: bool = False) -> str:
    """A whole page. components: dictionaries with `type`, or HTML. running: the task has not finished."""
    body = "\n".join(map(component_html, components))
    state = ' data-running="true"' if running else ""
    return _PAGE % {"title": _text(title), "css": _CSS, "state": state, "body": body}


def component_html(component: Any) -> str:
    """The HTML of one component. Text is taken to be HTML."""
    if isinstance(component, str):
        return component
    if not isinstance(component, dict):
        return "<p>%s</p>" % _text(component)
    make = _MAKERS.get(str(component.get("type")), _unknown)
    return make(component)


def _text(value: Any) -> str:
    return html.escape(str(value))


def _head(component: Dict[str, Any], level: str = "h2") -> str:
    parts = []
    if component.get("title"):
        parts.append("<%s>%s</%s>" % (level, _text(component["title"]), level))
    if component.get("subtitle"):
        parts.append('<p class="sub">%s</p>' % _text(component["subtitle"]))
    return "".join(parts)


def _contents(component: Dict[str, Any]) -> str:
    return "\n".join(map(component_html, component.get("contents") or []))


def _section(component: Dict[str, Any]) -> str:
    inner = _contents(component)
    if component.get("columns"):
        inner = '<div class="cols" style="grid-template-columns:repeat(%d,1fr)">%s</div>' % (
            int(component["columns"]), inner
        )
    return "<section>%s%s</section>" % (_head(component), inner)


def _page(component: Dict[str, Any]) -> str:
    return "%s%s" % (_head(component, "h1"), _contents(component))


def _cell(value: Any) -> str:
    if isinstance(value, dict) and "type" in value:
        return component_html(value)
    if isinstance(value, (dict, list, tuple)):
        return "<code>%s</code>" % _text(json.dumps(value, default=str))
    return "" if value is None else _text(value)


def _table(component: Dict[str, Any]) -> str:
    names, rows = component.get("columns") or [], component.get("data") or []
    if component.get("vertical"):
        lines = ["<tr><th>%s</th>%s</tr>" % (_text(name), "".join("<td>%s</td>" % _cell(row[i]) for row in rows))
                 for i, name in enumerate(names)]
        return "%s<table>%s</table>" % (_head(component), "".join(lines))
    lines = ["<tr>%s</tr>" % "".join("<td>%s</td>" % _cell(cell) for cell in row) for row in rows if row]
    head = "<tr>%s</tr>" % "".join("<th>%s</th>" % _text(name) for name in names) if names else ""
    return "%s<table>%s%s</table>" % (_head(component), head, "".join(lines))


def _artifacts(component: Dict[str, Any]) -> str:
    data = component.get("data") or []
    items = data.values() if isinstance(data, dict) else data
    rows: List[str] = []
    for item in items:
        rows.append(
            "<tr><th>%s</th><td class='sub'>%s</td><td><pre>%s</pre></td></tr>"
            % (_text(item.get("name") or ""), _text(item.get("type", "")), _text(item.get("data", "")))
        )
    return "%s<table>%s</table>" % (_head(component), "".join(rows))


def _image(component: Dict[str, Any]) -> str:
    caption = component.get("label")
    return '%s<figure><img src="%s" alt="%s">%s</figure>' % (
        _head(component), _text(component.get("src", "")), _text(caption or ""),
        "<figcaption>%s</figcaption>" % _text(caption) if caption else "",
    )


def _pre(component: Dict[str, Any]) -> str:
    return "%s<pre>%s</pre>" % (_head(component, "h3"), _text(component.get("data") or ""))


def _dag(component: Dict[str, Any]) -> str:
    steps = component.get("data") or {}
    steps = steps.get("steps", steps) if isinstance(steps, dict) else {}
    lines = []
    for name, step in steps.items():
        following = ", ".join(step.get("next") or []) if isinstance(step, dict) else ""
        lines.append("<li><b>%s</b>%s</li>" % (_text(name), " &rarr; " + _text(following) if following else ""))
    return '%s<ol class="dag">%s</ol>' % (_head(component), "".join(lines))


def _progress(component: Dict[str, Any]) -> str:
    value, most = float(component.get("value") or 0), float(component.get("max") or 0)
    share = max(0.0, min(100.0, 100.0 * value / most)) if most else 0.0
    unit = " " + component["unit"] if component.get("unit") else ""
    return '<p>%s <span class="sub">%s / %s%s %s</span></p><div class="bar"><i style="width:%.1f%%"></i></div>' % (
        _text(component.get("label") or ""), _text(component.get("value")), _text(component.get("max")), _text(unit),
        _text(component.get("details") or ""), share,
    )


def _value_box(component: Dict[str, Any]) -> str:
    return '<div class="box %s">%s<b>%s</b><span class="sub">%s %s</span></div>' % (
        _text(component.get("theme") or ""), _text(component.get("title") or ""), _text(component.get("value", "")),
        _text(component.get("subtitle") or ""), _text(component.get("change_indicator") or ""),
    )


def _chart(component: Dict[str, Any]) -> str:
    spec = component.get("spec") or {}
    title = spec.get("title")
    title = title.get("text") if isinstance(title, dict) else title
    drawn = chart_svg(spec)
    if drawn is None:
        drawn = (
            '<p class="sub">This chart needs Vega-Lite to be drawn, and this page has no scripts. The specification below '
            "can be pasted into an editor of Vega-Lite.</p>"
        )
    return "<figure>%s<figcaption>%s</figcaption><details><summary>Specification</summary><pre>%s</pre></details></figure>" % (
        drawn, _text(title or ""), _text(json.dumps(spec, indent=1, default=str))
    )


def _timeline(component: Dict[str, Any]) -> str:
    items = []
    for event in component.get("events") or []:
        facts = "".join("<tr><th>%s</th><td>%s</td></tr>" % (_text(key), _cell(value))
                        for key, value in (event.get("metadata") or {}).items())
        payloads = "".join("<details><summary>%s</summary>%s</details>" % (_text(key), component_html(value))
                           for key, value in (event.get("payloads") or {}).items())
        items.append('<section class="%s"><table>%s</table>%s</section>'
                     % (_text(event.get("style_theme") or ""), facts, payloads))
    return "%s%s" % (_head(component), "".join(items))


def _unknown(component: Dict[str, Any]) -> str:
    return "<pre>%s</pre>" % _text(json.dumps(component, indent=1, default=str))


_MAKERS: Dict[str, Callable[[Dict[str, Any]], str]] = {
    "page": _page,
    "section": _section,
    "title": lambda c: "<h1>%s</h1>" % _text(c.get("text") or ""),
    "subtitle": lambda c: '<p class="sub">%s</p>' % _text(c.get("text") or ""),
    "text": lambda c: "<p>%s</p>" % _text(c.get("text") or ""),
    "html": lambda c: str(c.get("data") or ""),
    "markdown": lambda c: markdown_to_html(str(c.get("source") or "")),
    "table": _table,
    "artifacts": _artifacts,
    "image": _image,
    "log": _pre,
    "pythonCode": _pre,
    "jsonViewer": _pre,
    "yamlViewer": _pre,
    "dag": _dag,
    "progressBar": _progress,
    "valueBox": _value_box,
    "vegaChart": _chart,
    "eventsTimeline": _timeline,
}
