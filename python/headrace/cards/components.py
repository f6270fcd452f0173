"""Components that a step puts on its card."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional, Union

from .basic import (
    ArtifactsComponent,
    ErrorComponent,
    ImageComponent,
    LogComponent,
    MarkdownComponent,
    PythonCodeComponent,
    SectionComponent,
    SerializationErrorComponent,
    TableComponent,
    TextComponent,
)
from .card import MetaflowCardComponent, create_component_id, rendered_parts
from .images import image_source
from .values import describe_value, is_dataframe, table_of_dataframe

__all__ = [
    "Artifact", "Error", "EventsTimeline", "Image", "JSONViewer", "Markdown", "ProgressBar", "PythonCode",
    "StubComponent", "Table", "UserComponent", "ValueBox", "VegaChart", "YAMLViewer",
]


class UserComponent(MetaflowCardComponent):
    """Base of these components: gets an id when it is rendered, and a failure to render becomes part of the card."""

    def render(self) -> Any:
        if self.component_id is None:
            self.component_id = create_component_id(self)
        try:
            return self._render()
        except Exception:
            import traceback

            return SerializationErrorComponent(type(self).__name__, traceback.format_exc()).render()

    def _render(self) -> Any:
        raise NotImplementedError()

    def _with_id(self, component: MetaflowCardComponent) -> Any:
        component.component_id = str(self.component_id)
        return component.render()

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Says that this component does not change, if it does not."""
        if self._logger:
            self._logger(
                "[@card WARNING] MetaflowCardComponent doesn't have an `update` method implemented and cannot be "
                "realtime updatable component: %s" % type(self).__name__,
                timestamp=False,
                bad=True,
            )


class StubComponent(UserComponent):
    """Stands for a component that was asked for and does not exist."""

    def __init__(self, component_id: str) -> None:
        self._missing_id = component_id

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Says that the component does not exist."""
        if self._logger:
            self._logger(
                "[@card WARNING] Component with id `%s` doesn't exist. No updates will be made at anytime during runtime."
                % self._missing_id,
                timestamp=False,
                bad=True,
            )

    def _render(self) -> Any:
        return ""


class Artifact(UserComponent):
    """The value of an object, as an artifact is shown. compressed: shorten long values."""

    REALTIME_UPDATABLE = True

    def __init__(self, artifact: Any, name: Optional[str] = None, compressed: bool = True) -> None:
        self._artifact = artifact
        self._name = name
        self._compressed = compressed

    def update(self, artifact: Any) -> None:
        """Shows another object."""
        self._artifact = artifact

    def _render(self) -> Any:
        name = None if self._name is None else str(self._name)
        return self._with_id(ArtifactsComponent(data=[describe_value(self._artifact, name, self._compressed)]))


class Table(UserComponent):
    """Rows of texts, numbers and components. headers: names of the columns."""

    REALTIME_UPDATABLE = True

    def __init__(self, data: Optional[List[List[Any]]] = None, headers: Optional[List[str]] = None,
                 disable_updates: bool = False) -> None:
        self._headers = headers or []
        self._data = data or [[]]
        if disable_updates:
            self.REALTIME_UPDATABLE = False

    @classmethod
    def from_dataframe(cls, dataframe: Any = None, truncate: bool = True) -> "Table":
        """The table of a pandas DataFrame. truncate: only its first rows and columns."""
        if not is_dataframe(dataframe):
            return cls(headers=["Object type %s not supported" % type(dataframe).__name__], disable_updates=True)
        found = table_of_dataframe(dataframe, truncate)
        return cls(data=found["data"], headers=found["headers"], disable_updates=True)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Shows other rows; arguments as when the table was made."""
        self.__init__(*args, **kwargs)  # type: ignore[misc]

    def _render(self) -> Any:
        return self._with_id(TableComponent(headers=self._headers, data=self._data))


class Image(UserComponent):
    """An image: bytes of a PNG, JPEG, GIF, BMP, WEBP or TIFF file, a `data:` address, or by `from_pil_image`,
    `from_matplotlib`. label: below it."""

    REALTIME_UPDATABLE = True

    def __init__(self, src: Any = None, label: Optional[str] = None, disable_updates: bool = True) -> None:
        if disable_updates:
            self.REALTIME_UPDATABLE = False
        self._set(src, label)

    def _set(self, src: Any, label: Optional[str]) -> None:
        self._label = label
        self._source, self._problem = image_source(src)

    @classmethod
    def from_pil_image(cls, pilimage: Any, label: Optional[str] = None, disable_updates: bool = False) -> "Image":
        """The image of a `PIL.Image`."""
        return cls(pilimage, label, disable_updates)

    @classmethod
    def from_matplotlib(cls, plot: Any, label: Optional[str] = None, disable_updates: bool = False) -> "Image":
        """The image of a figure of matplotlib, or of the figure of an axis."""
        return cls(plot, label, disable_updates)

    def update(self, image: Any, label: Optional[str] = None) -> None:
        """Shows another image of any of these kinds."""
        self._set(image, label if label is not None else self._label)

    def _render(self) -> Any:
        if self._source is None:
            return self._with_id(ErrorComponent("Component `Image` [RENDER FAIL]: %s" % self._problem, ""))
        return self._with_id(ImageComponent(src=self._source, label=self._label))


class Error(UserComponent):
    """An exception, with where it was raised."""

    def __init__(self, exception: BaseException, title: Optional[str] = None) -> None:
        self._exception = exception
        self._title = title

    def _render(self) -> Any:
        import traceback

        error = self._exception
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        headline = self._title or "%s: %s" % (type(error).__name__, error)
        return self._with_id(SectionComponent(contents=[TextComponent(headline), LogComponent(trace)]))


class Markdown(UserComponent):
    """A text in Markdown."""

    REALTIME_UPDATABLE = True

    def __init__(self, text: Optional[str] = None) -> None:
        self._text = text

    def update(self, text: Optional[str] = None) -> None:
        """Shows another text."""
        self._text = text

    def _render(self) -> Any:
        import textwrap

        return self._with_id(MarkdownComponent(textwrap.dedent(str(self._text)) if self._text is not None else ""))


class ProgressBar(UserComponent):
    """How much of `max` is done. unit, label, metadata: texts beside it."""

    type = "progressBar"
    REALTIME_UPDATABLE = True

    def __init__(self, max: int = 100, label: Optional[str] = None, value: int = 0, unit: Optional[str] = None,
                 metadata: Optional[str] = None) -> None:
        self._max = max
        self._label = label
        self._value = value
        self._unit = unit
        self._metadata = metadata

    def update(self, new_value: int, metadata: Optional[str] = None) -> None:
        """Shows another value."""
        self._value = new_value
        if metadata is not None:
            self._metadata = metadata

    def _render(self) -> Any:
        data = {"type": self.type, "id": self.component_id, "max": self._max, "value": self._value}
        more = {"label": self._label, "unit": self._unit, "details": self._metadata}
        return {**data, **{key: value for key, value in more.items() if value}}


class ValueBox(UserComponent):
    """One value, large. title, subtitle, change_indicator: texts around it. theme: its colours."""

    type = "valueBox"
    REALTIME_UPDATABLE = True
    VALID_THEMES = {"default", "success", "warning", "danger", "bg-gradient-indigo-purple"}
    _CHARS_MAX = {"title": 200, "subtitle": 300, "change_indicator": 200}

    def __init__(self, title: Optional[str] = None, value: Union[str, int, float] = "", subtitle: Optional[str] = None,
                 theme: Optional[str] = None, change_indicator: Optional[str] = None) -> None:
        self._values: Dict[str, Any] = {}
        self._set(title=title, subtitle=subtitle, theme=theme, change_indicator=change_indicator)
        self._set_value(value)

    def _set(self, **texts: Optional[str]) -> None:
        for name, text in texts.items():
            if text is None:
                continue
            what = name.replace("_", " ").capitalize()
            if not isinstance(text, str):
                raise TypeError("%s must be a string, got %s" % (what, type(text).__name__))
            if len(text) > self._CHARS_MAX.get(name, 100):
                raise ValueError(
                    "%s must be %d characters or less, got %d characters" % (what, self._CHARS_MAX[name], len(text))
                )
            if not text.strip():
                raise ValueError("%s cannot be empty or whitespace only" % what)
            if name == "theme" and not _is_css_name(text):
                raise ValueError("Theme must be a valid CSS class name, got '%s'" % text)
            self._values[name] = text

    def _set_value(self, value: Any) -> None:
        if value is None:
            raise ValueError("Value is required and cannot be None")
        if not isinstance(value, (str, int, float)):
            raise TypeError("Value must be str, int, or float, got %s" % type(value).__name__)
        if isinstance(value, str):
            if len(value) > 100:
                raise ValueError("String value must be 100 characters or less, got %d characters" % len(value))
            if not value.strip():
                raise ValueError("String value cannot be empty or whitespace only")
        elif not -1e15 <= value <= 1e15:
            raise ValueError("Numeric value must be between -1e15 and 1e15, got %s" % value)
        self._values["value"] = value

    def update(self, title: Optional[str] = None, value: Any = None,
               subtitle: Optional[str] = None, theme: Optional[str] = None,
               change_indicator: Optional[str] = None) -> None:
        """Shows other texts; what is not given stays."""
        self._set(title=title, subtitle=subtitle, theme=theme, change_indicator=change_indicator)
        if value is not None:
            self._set_value(value)

    def _render(self) -> Any:
        return {"type": self.type, "id": self.component_id, **self._values}


def _is_css_name(text: str) -> bool:
    import re

    return re.match(r"^[a-zA-Z][a-zA-Z0-9_-]*$", text) is not None


class VegaChart(UserComponent):
    """A chart, as a specification of Vega-Lite (a dictionary)."""

    type = "vegaChart"
    REALTIME_UPDATABLE = True

    def __init__(self, spec: Any, show_controls: bool = False) -> None:
        self._spec = spec
        self._show_controls = show_controls

    @classmethod
    def from_altair_chart(cls, altair_chart: Any) -> "VegaChart":
        """The chart of the library Altair."""
        name = "%s.%s" % (type(altair_chart).__module__, type(altair_chart).__name__)
        if not all(part in name for part in ("altair", "vegalite", "Chart")):
            raise ValueError("%s is not an altair chart" % name)
        return cls(altair_chart.to_dict())

    def update(self, spec: Any = None) -> None:
        """Shows another chart: a specification, or one of Altair."""
        if spec is not None:
            self._spec = spec.to_dict() if hasattr(spec, "to_dict") else spec

    def _render(self) -> Any:
        data: Dict[str, Any] = {"type": self.type, "id": self.component_id, "spec": dict(self._spec)}
        data["spec"].setdefault("width", "container")
        if not self._show_controls:
            data["options"] = {"actions": False}
        return data


class PythonCode(UserComponent):
    """Source code: of a function or class, or a text."""

    def __init__(self, code_func: Optional[Callable[..., Any]] = None, code_string: Optional[str] = None) -> None:
        import inspect
        import textwrap

        if code_func is not None:
            self._code = textwrap.dedent(inspect.getsource(code_func))
        else:
            self._code = code_string or ""

    def _render(self) -> Any:
        return self._with_id(PythonCodeComponent(self._code))


class JSONViewer(UserComponent):
    """Data as JSON text."""

    type = "jsonViewer"
    REALTIME_UPDATABLE = True

    def __init__(self, data: Any, collapsible: bool = True, max_height: Optional[str] = None,
                 show_copy_button: bool = True, title: Optional[str] = None) -> None:
        self._data = data
        self._options = {"collapsible": collapsible, "show_copy_button": show_copy_button}
        if max_height:
            self._options["max_height"] = max_height  # type: ignore[assignment]
        self._title = title

    def update(self, data: Any) -> None:
        """Shows other data."""
        self._data = data

    def _text(self) -> str:
        import json

        data = self._data
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except ValueError:
                pass
        return json.dumps(data, indent=2, ensure_ascii=False, default=str)

    def _render(self) -> Any:
        title = self._title or ("YAML" if self.type == "yamlViewer" else "JSON")
        return {"type": self.type, "id": self.component_id, "data": self._text(), "title": title, **self._options}


class YAMLViewer(JSONViewer):
    """Data as YAML text; as JSON, which YAML contains, if PyYAML is not installed."""

    type = "yamlViewer"

    def _text(self) -> str:
        if isinstance(self._data, str):
            return self._data
        try:
            import yaml  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            return super()._text()
        return str(yaml.safe_dump(self._data, default_flow_style=False, sort_keys=False))


class EventsTimeline(UserComponent):
    """Events, the newest first. max_events: how many are shown."""

    type = "eventsTimeline"
    REALTIME_UPDATABLE = True
    VALID_THEMES = {
        "default", "success", "warning", "error", "info", "primary", "secondary", "tool_call", "ai_response",
    }
    _PAYLOADS = (ValueBox, Image, Markdown, Artifact, PythonCode, JSONViewer)

    def __init__(self, title: Optional[str] = None, max_events: int = 100) -> None:
        self._title = title
        self._max_events = max_events
        self._events: List[Dict[str, Any]] = []
        self._count = 0
        self._first: Optional[float] = None
        self._last: Optional[float] = None
        self._finished = False

    def update(self, event_data: Dict[str, Any], style_theme: Optional[str] = None,
               priority: Optional[str] = None, payloads: Optional[Dict[str, Any]] = None,
               finished: Optional[bool] = None) -> None:
        """Adds an event.

        event_data: names and simple values. style_theme, priority: how it looks. payloads: name -> component.
        finished: no more events will come.
        """
        if style_theme is not None and style_theme not in self.VALID_THEMES and not _is_css_name(style_theme):
            raise ValueError("Invalid style_theme '%s'. Must be a valid CSS class name." % style_theme)
        for key, payload in (payloads or {}).items():
            if not isinstance(payload, self._PAYLOADS):
                raise TypeError(
                    "Payload '%s' must be one of: ValueBox, Image, Markdown, Artifact, JSONViewer, YAMLViewer. Got %s"
                    % (key, type(payload).__name__)
                )
        now = time.time()
        event_data.setdefault("timestamp", now)
        event: Dict[str, Any] = {
            "metadata": event_data, "payloads": payloads or {}, "event_id": "event_%d" % self._count, "received_at": now,
        }
        if style_theme is not None:
            event["style_theme"] = style_theme
        if priority is not None:
            event["priority"] = priority
        self._count += 1
        self._last = now
        self._first = now if self._first is None else self._first
        if finished is not None:
            self._finished = finished
        self._events = [event] + self._events[: self._max_events - 1]

    def get_stats(self) -> Dict[str, Any]:
        """How many events there were, and when."""
        stats: Dict[str, Any] = {
            "total_events": self._count,
            "displayed_events": len(self._events),
            "last_update": self._last,
            "first_event": self._first,
            "finished": self._finished,
        }
        if self._first is not None and self._last is not None and self._last > self._first:
            seconds = self._last - self._first
            stats["events_per_minute"] = round(self._count / seconds * 60, 1)
            stats["total_runtime_seconds"] = round(seconds, 1)
        return stats

    def _render(self) -> Any:
        events = [
            dict(event, payloads=dict(zip(event["payloads"], rendered_parts(event["payloads"].values()))))
            for event in self._events
        ]
        data = {
            "type": self.type,
            "id": self.component_id,
            "events": events,
            "config": {"show_stats": True, "show_relative_time": True, "max_events": self._max_events},
            "stats": self.get_stats(),
        }
        if self._title is not None:
            data["title"] = self._title
        return data


for _name in __all__:
    globals()[_name].__module__ = "metaflow.plugins.cards.card_modules.components"
del _name
