"""The parts that card types put together: each renders to a dictionary with `type`, which `page` makes HTML of."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .card import MetaflowCardComponent, rendered_parts


class DefaultComponent(MetaflowCardComponent):
    """A part with a title and a subtitle. fields: what else its dictionary holds."""

    type: Optional[str] = None

    def __init__(self, title: Optional[str] = None, subtitle: Optional[str] = None, **fields: Any) -> None:
        self._title = title
        self._subtitle = subtitle
        self._fields = fields

    def render(self) -> Dict[str, Any]:
        parts = {"title": self._title, "subtitle": self._subtitle, "id": self.component_id, **self._fields}
        return {"type": self.type, **{key: value for key, value in parts.items() if value is not None}}


class TitleComponent(DefaultComponent):
    type = "title"

    def __init__(self, text: Optional[str] = None) -> None:
        super().__init__(text=text)


class SubTitleComponent(TitleComponent):
    type = "subtitle"


class TextComponent(TitleComponent):
    type = "text"


class LogComponent(DefaultComponent):
    type = "log"

    def __init__(self, data: Any = None) -> None:
        super().__init__(data=data)


class PythonCodeComponent(LogComponent):
    type = "pythonCode"


class HTMLComponent(LogComponent):
    type = "html"


class MarkdownComponent(DefaultComponent):
    type = "markdown"

    def __init__(self, text: Optional[str] = None) -> None:
        super().__init__(source=text or "")


class ImageComponent(DefaultComponent):
    type = "image"

    def __init__(self, src: Any = None, label: Any = None, title: Any = None, subtitle: Any = None) -> None:
        super().__init__(title, subtitle, src=src, label=label)


class DagComponent(DefaultComponent):
    type = "dag"

    def __init__(self, title: Any = None, subtitle: Any = None, data: Any = None) -> None:
        super().__init__(title, subtitle, data=data or {})


class ArtifactsComponent(DefaultComponent):
    type = "artifacts"

    def __init__(self, title: Any = None, subtitle: Any = None, data: Any = None) -> None:
        super().__init__(title, subtitle, data=data or {})


class TableComponent(DefaultComponent):
    """headers: names of columns. data: rows. vertical: one row, shown as lines of name and value."""

    type = "table"

    def __init__(self, title: Any = None, subtitle: Any = None, headers: Any = None, data: Any = None,
                 vertical: bool = False) -> None:
        ok_headers, ok_data = self.validate(headers or [], data or [[]])
        super().__init__(
            title, subtitle, columns=list(headers or []) if ok_headers else [], data=data or [[]] if ok_data else [[]],
            vertical=vertical,
        )

    @classmethod
    def validate(cls, headers: Any, data: Any) -> "tuple[bool, bool]":
        """Whether the headers are a list, and the data a list of lists."""
        rows = isinstance(data, list) and all(isinstance(row, list) for row in data)
        return isinstance(headers, list), rows

    def render(self) -> Dict[str, Any]:
        return {**super().render(), "data": [rendered_parts(row) for row in self._fields["data"]]}


class SectionComponent(DefaultComponent):
    """contents: components, dictionaries or HTML. columns: shown side by side."""

    type = "section"

    def __init__(self, title: Any = None, subtitle: Any = None, columns: Any = None, contents: Any = None) -> None:
        super().__init__(title, subtitle, columns=columns)
        self._contents = contents or []

    def render(self) -> Dict[str, Any]:
        return {**super().render(), "contents": rendered_parts(self._contents)}


class PageComponent(SectionComponent):
    type = "page"

    def __init__(self, title: Any = None, subtitle: Any = None, contents: Any = None) -> None:
        super().__init__(title, subtitle, None, contents)


class ErrorComponent(MetaflowCardComponent):
    """headline, and the text of an error."""

    def __init__(self, headline: str, error_message: str) -> None:
        self._headline = headline
        self._error_message = error_message

    def render(self) -> Dict[str, Any]:
        contents: List[Any] = [TextComponent(self._headline), LogComponent(self._error_message)]
        return SectionComponent(contents=contents).render()


class SerializationErrorComponent(ErrorComponent):
    """A component could not be rendered."""

    def __init__(self, component_name: str, error_message: str) -> None:
        super().__init__("Component %s [RENDER FAIL]" % component_name, error_message)
