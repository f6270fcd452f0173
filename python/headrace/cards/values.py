"""How an object's value is shown on a card."""

from __future__ import annotations

from typing import Any, Dict, Optional

_CHARS_MAX = 2000
_ROWS_MAX = 5
_COLUMNS_MAX = 30


def is_dataframe(value: Any) -> bool:
    """Whether it is a DataFrame of pandas."""
    kind = type(value)
    return kind.__name__ == "DataFrame" and kind.__module__.split(".")[0] == "pandas"


def describe_value(value: Any, name: Optional[str] = None, shorten: bool = True) -> Dict[str, Any]:
    """`{"name", "type", "data"}`: the object's class and its text."""
    import reprlib

    kind = type(value)
    try:
        if shorten:
            short = reprlib.Repr()
            short.maxlist = short.maxtuple = short.maxset = short.maxdict = 30
            short.maxstring = short.maxother = _CHARS_MAX
            text = short.repr(value)
        else:
            text = repr(value)
    except Exception as error:
        text = "<its text cannot be made: %r>" % error
    return {"name": name, "type": "%s.%s" % (kind.__module__, kind.__name__), "data": text, "large_object": False}


def table_of_dataframe(frame: Any, truncate: bool = True) -> Dict[str, Any]:
    """`{"headers", "data", "full_size", "truncated"}` of a DataFrame."""
    rows, columns = frame.shape
    shown = frame.iloc[:_ROWS_MAX, :_COLUMNS_MAX] if truncate else frame
    headers = ["" if frame.index.name is None else str(frame.index.name)] + [str(name) for name in shown.columns]
    data = [[str(row[0])] + [_cell(cell) for cell in row[1:]] for row in shown.itertuples(index=True, name=None)]
    cut = truncate and (rows > _ROWS_MAX or columns > _COLUMNS_MAX)
    return {"headers": headers, "data": data, "full_size": (rows, columns), "truncated": cut}


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if hasattr(value, "item") and callable(value.item):
        try:
            value = value.item()
        except (ValueError, TypeError):
            return str(value)
    return value if isinstance(value, (int, float)) and value == value else str(value)
