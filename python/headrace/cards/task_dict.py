"""`TaskToDict`: a task's artifacts as plain data, for card types that users write."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional, Tuple

from .values import is_dataframe, table_of_dataframe

TIME_FORMAT = "%Y-%m-%d %I:%M:%S %p"
#: Larger artifacts are named, not shown. Bytes.
MAX_ARTIFACT_SIZE = 256 * 1024 * 1024


class TypeResolvedObject(NamedTuple):
    data: Any
    is_image: bool
    is_table: bool


def _type_name(value: Any) -> str:
    kind = type(value)
    if is_dataframe(value):
        return "pandas.core.frame.DataFrame"
    return kind.__qualname__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


class TaskToDict:
    """`TaskToDict()(task)`: a dictionary of the task's times, logs and artifacts, and of the images and tables among these.

    only_repr: values are shown as texts. runtime: the task has not ended. max_artifact_size: bytes.
    """

    def __init__(self, only_repr: bool = False, runtime: bool = False, max_artifact_size: Optional[int] = None) -> None:
        import reprlib

        self._short = reprlib.Repr()
        for limit in ("maxarray", "maxstring", "maxother", "maxtuple", "maxlist"):
            setattr(self._short, limit, 100)
        self._short.maxlevel = 3
        self._runtime = runtime
        self._only_repr = only_repr
        self._max_artifact_size = MAX_ARTIFACT_SIZE if max_artifact_size is None else max_artifact_size

    def __call__(self, task: Any, graph: Any = None) -> Dict[str, Any]:
        finished = None if self._runtime else task.finished_at
        data: Dict[str, Any] = {}
        images: Dict[str, Any] = {}
        tables: Dict[str, Any] = {}
        for artifact in task:
            if artifact.size > self._max_artifact_size:
                text = "<artifact too large: %d bytes, max: %d bytes>" % (artifact.size, self._max_artifact_size)
                data[artifact.id] = dict(self._described(text, "skipped", False, True), name=artifact.id)
                continue
            try:
                value = artifact.data
            except ModuleNotFoundError as error:
                data[artifact.id] = dict(self._described("<unable to unpickle>", error.name, False, False), name=artifact.id)
                continue
            data[artifact.id] = dict(self.infer_object(value), name=artifact.id)
            special = self._extract_type_infered_object(value)
            if special is not None:
                (images if special.is_image else tables)[artifact.id] = special.data
        return {
            "stderr": task.stderr,
            "stdout": task.stdout,
            "created_at": task.created_at.strftime(TIME_FORMAT),
            "finished_at": finished.strftime(TIME_FORMAT) if finished is not None else None,
            "pathspec": task.pathspec,
            "graph": graph,
            "data": data,
            "images": images,
            "tables": tables,
        }

    def _described(self, data: Any, kind: Optional[str], supported: bool, large: bool) -> Dict[str, Any]:
        return {
            "type": kind, "data": data, "large_object": large, "supported_type": supported, "only_repr": self._only_repr,
        }

    def object_type(self, object: Any) -> str:
        """The full name of its class."""
        return _type_name(object)

    def infer_object(self, artifact_object: Any) -> Dict[str, Any]:
        """`type`, `data`, `supported_type`, `large_object` and `only_repr` of a value."""
        data, kind, supported, large = self._to_native_type(artifact_object)
        return self._described(data, kind, supported, large)

    def parse_image(self, data_object: Any) -> Optional[str]:
        """A `data:` address of bytes that are a GIF, PNG, JPEG or WebP image; None for others."""
        special = self._extract_type_infered_object(data_object) if isinstance(data_object, bytes) else None
        return special.data if special is not None else None

    def _extract_type_infered_object(self, value: Any) -> Optional[TypeResolvedObject]:
        if isinstance(value, bytes):
            from .images import image_type

            kind = image_type(value)
            return TypeResolvedObject("data:image/%s;base64, %s" % (kind, _base64(value)), True, False) if kind else None
        if is_dataframe(value):
            return TypeResolvedObject(table_of_dataframe(value), False, True)
        return None

    def _to_native_type(self, value: Any) -> Tuple[Any, str, bool, bool]:
        """Data, name of the class, whether it is of a known class, whether it was too large and is a text."""
        kind = _type_name(value)
        if self._only_repr:
            return self._pretty(value), kind, False, False
        convert = _CONVERT.get(kind)
        if convert is None:
            return self._short.repr(value), kind, False, False
        return convert(self, value), kind, True, False

    def _plain(self, value: Any) -> Any:
        return self._to_native_type(value)[0]

    def _pretty(self, value: Any) -> str:
        text = self._short.repr(value)
        if "..." in text:
            return text
        import pprint

        return pprint.pformat(value, indent=2, width=50, compact=True)


def _base64(value: bytes) -> str:
    import base64

    return base64.encodebytes(value).decode("ascii")


def _text_of(owner: TaskToDict, value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return owner._short.repr(value)


def _items(owner: TaskToDict, value: Any) -> Any:
    return [owner._plain(item) for item in value]


def _same(owner: TaskToDict, value: Any) -> Any:
    return value


#: By the class's full name: what makes plain data of it.
_CONVERT: Dict[str, Any] = {
    **{name: _same for name in ("NoneType", "str", "bool", "int", "float")},
    **{name: _items for name in ("tuple", "list", "set", "frozenset")},
    "dict": lambda owner, value: {key: owner._plain(item) for key, item in value.items()},
    "complex": lambda owner, value: str(value),
    "range": lambda owner, value: owner._short.repr(value),
    "Exception": lambda owner, value: owner._short.repr(value),
    "bytes": lambda owner, value: _base64(value),
    "bytearray": _text_of,
    "type": lambda owner, value: value.__name__,
    "datetime.datetime": lambda owner, value: value.strftime(TIME_FORMAT),
    "decimal.Decimal": lambda owner, value: float(value),
    "numpy.ndarray": lambda owner, value: value.tolist(),
    "pandas.core.frame.DataFrame": lambda owner, value: table_of_dataframe(value),
}

TaskToDict.__module__ = TypeResolvedObject.__module__ = "metaflow.plugins.cards.card_modules.convert_to_native_type"
