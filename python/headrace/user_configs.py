"""`Config`: values known before a run starts, usable anywhere in a flow's source, decorators included.

When a class is made, its Configs have no values yet, so `cfg.a.b` gives a `DelayEvaluator`: an expression that is
evaluated once the command line has said which files and texts to read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from .errors import MetaflowException
from .parameters import Parameter, ParameterContext, current_flow

if TYPE_CHECKING:
    from .flowspec import FlowSpec

#: Keys that begin so stand for a whole Config that was unpacked with `**`.
UNPACK_KEY = "_unpacked_delayed_"


def dump_config_values(flow: "FlowSpec") -> Dict[str, Any]:
    """`{"user_configs": {name: (value, plain)}}` of the flow; empty if it has no Config."""
    from .flow_state import FlowStateItems

    configs = flow._flow_state[FlowStateItems.CONFIGS]
    return {"user_configs": configs} if configs else {}


# --- values ----------------------------------------------------------------------------------------------------


def _immutable(*args: Any, **kwargs: Any) -> Any:
    raise TypeError("ConfigValue is immutable")


class ConfigValue(Mapping, dict):  # type: ignore[type-arg, misc, metaclass]
    """A Config's value: a nested dict that cannot be changed, whose keys are also attributes (`cfg.a.b`)."""

    def __init__(self, data: "Union[ConfigValue, Dict[Any, Any]]") -> None:
        self._data = {key: self._construct(value) for key, value in data.items()}
        # The dict holds them too: what looks into dicts directly (json, C code) finds them.
        dict.__init__(self, self._data)  # type: ignore[call-overload]

    @classmethod
    def fromkeys(cls, iterable: Iterable[Any], value: Any = None) -> "ConfigValue":
        return cls(dict.fromkeys(iterable, value))

    def to_dict(self) -> Dict[Any, Any]:
        """A plain dict, to any depth."""
        plain: Dict[Any, Any] = self._to_dict(self._data)
        return plain

    def copy(self) -> "ConfigValue":
        return self.__copy__()

    clear = update = setdefault = pop = popitem = _immutable
    __setitem__ = __delitem__ = __delattr__ = _immutable
    __ior__ = _immutable

    def __getattr__(self, key: str) -> Any:
        if key == "_data" or key not in self._data:
            raise AttributeError(key)
        return self[key]

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "_data":
            raise TypeError("ConfigValue is immutable")
        super().__setattr__(name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._data[key]

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._data)

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, ConfigValue):
            return self._data == other._data
        return isinstance(other, dict) and self._data == other

    def __ne__(self, other: Any) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> "ConfigValue":
        return self.__class__(self._data)

    def __repr__(self) -> str:
        return repr(self._data)

    def __str__(self) -> str:
        return str(self._data)

    def __dir__(self) -> Iterable[str]:
        return dir(type(self)) + [key for key in self._data if isinstance(key, str) and key.isidentifier()]

    def __contains__(self, key: Any) -> bool:
        return key in self._data

    def keys(self) -> Any:
        return self._data.keys()

    @classmethod
    def _construct(cls, obj: Any) -> Any:
        if isinstance(obj, ConfigValue):
            return obj
        if isinstance(obj, Mapping):
            return ConfigValue({key: cls._construct(value) for key, value in obj.items()})
        if isinstance(obj, (list, tuple, set)):
            return type(obj)([cls._construct(value) for value in obj])
        return obj

    @classmethod
    def _to_dict(cls, obj: Any) -> Any:
        if isinstance(obj, Mapping):
            return {key: cls._to_dict(value) for key, value in obj.items()}
        if isinstance(obj, (list, tuple, set)):
            return type(obj)([cls._to_dict(value) for value in obj])
        return obj

    def __reduce__(self) -> Any:
        return self.__class__, (self.to_dict(),)


ConfigValue.__module__ = "metaflow.user_configs.config_parameters"


def values_of(flow_cls: Any) -> Dict[str, Any]:
    """The values of a flow's Configs, by option name."""
    from .flow_state import FlowStateItems

    return {
        name: value if plain or value is None else ConfigValue(value)
        for name, (value, plain) in flow_cls._flow_state[FlowStateItems.CONFIGS].items()
    }


# --- expressions -----------------------------------------------------------------------------------------------


class DelayEvaluator(Mapping):  # type: ignore[type-arg]
    """An expression over Configs, evaluated when it is called.

    `obj.x["y"]` of one that is a bare name gives a longer one; `**obj` unpacks into a key that begins with UNPACK_KEY.
    """

    def __init__(self, ex: str, saved_globals: Optional[Dict[str, Any]] = None) -> None:
        self._config_expr = ex
        self._globals = saved_globals
        # Accesses made since; None if the expression is more than a name and so takes none.
        self._access: Optional[List[Any]] = [] if ex.isidentifier() else None

    def _with_access(self, key: Any) -> "DelayEvaluator":
        longer = self.__copy__()
        longer._access = (self._access or []) + [key]
        return longer

    def __copy__(self) -> "DelayEvaluator":
        other = DelayEvaluator(self._config_expr, self._globals)
        other._access = None if self._access is None else list(self._access)
        return other

    def __deepcopy__(self, memo: Any) -> "DelayEvaluator":
        # What it refers to are names and module globals: neither is to be copied.
        return self.__copy__()

    def __iter__(self) -> Iterator[str]:
        yield "%s%d" % (UNPACK_KEY, id(self))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and key == "%s%d" % (UNPACK_KEY, id(self)):
            return self
        if self._access is None:
            raise KeyError(key)
        return self._with_access(key)

    def __len__(self) -> int:
        return 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__dict__.get("_access") is None:
            raise AttributeError(name)
        return self._with_access(name)

    def _expression(self) -> str:
        parts = [self._config_expr]
        for access in self._access or []:
            if isinstance(access, DelayEvaluator):
                access = access()
            if not isinstance(access, (str, int)):
                raise MetaflowException("Field '%s' of type '%s' is not supported" % (access, type(access)))
            plain_name = isinstance(access, str) and access.isidentifier()
            parts.append(".%s" % access if plain_name else "[%r]" % access)
        return "".join(parts)

    def __call__(self, ctx: Optional[ParameterContext] = None, deploy_time: bool = False) -> Any:
        """The value, in the flow whose command line is being made."""
        flow_cls = getattr(current_flow, "flow_cls", None)
        if flow_cls is None:
            raise MetaflowException(
                "Config object can only be used directly in the FlowSpec defining them (or their flow decorators)."
            )
        expression = self._expression()
        names = self._globals if self._globals is not None else {}
        try:
            return eval(expression, names, values_of(flow_cls))
        except Exception as e:
            if not _failed_itself(e):
                raise
            raise MetaflowException(
                "Config expression '%s' could not be evaluated: %s" % (expression, _reason(e))
            ) from e


def _failed_itself(error: Exception) -> bool:
    """Whether an expression is at fault, and no function that it calls: that one's traceback is of use."""
    import traceback

    return all(frame.filename in (__file__, "<string>") for frame in traceback.extract_tb(error.__traceback__))


def _reason(error: Exception) -> str:
    holder = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    if isinstance(holder, ConfigValue):
        return "it has no key '%s', only %s" % (error, ", ".join(map(repr, holder)) or "none at all")
    return str(error) if isinstance(error, NameError) else "%s: %s" % (type(error).__name__, error)


def config_expr(expr: str) -> DelayEvaluator:
    """An expression over Configs, evaluated once they have values: `config_expr("cfg.name.lower()")`.

    For where a Config cannot be named yet (a decorator of the class), or for more than an access. The names of the
    caller's module can be used.
    """
    import sys

    return DelayEvaluator(expr, saved_globals=sys._getframe(1).f_globals)


class Config(Parameter, Mapping):  # type: ignore[type-arg]
    """A value read before a run starts: `cfg = Config("cfg", default="cfg.json")`.

    name: as in `--config NAME PATH` and `--config-value NAME TEXT`. default: a path, or a function of a
    ParameterContext that gives one. default_value: a text or dict, or a function that gives one; not together with
    default. required: without default, the user must give it. parser: a function of the text, or its dotted name
    (a leading `.` means `metaflow.`); without it the text is JSON. plain: give the value as the parser gave it, instead
    of a ConfigValue, which needs a mapping.
    """

    IS_CONFIG_PARAMETER = True

    def __init__(
        self,
        name: str,
        default: Any = None,
        default_value: Any = None,
        help: Optional[str] = None,
        required: Optional[bool] = None,
        parser: Union[str, Callable[[str], Any], None] = None,
        plain: bool = False,
        **kwargs: Any,
    ) -> None:
        if default is not None and default_value is not None:
            raise MetaflowException(
                "For config '%s', you can only specify default or default_value, not both" % name
            )
        self._default_is_file = default is not None
        kwargs["default"] = default if default is not None else default_value
        kwargs["plain"] = plain
        super().__init__(name, required=required, help=help, type=str, **kwargs)
        super().init()
        self.parser = parser
        self._computed_value: Any = None
        self._delayed_evaluator: Optional[DelayEvaluator] = None

    def load_parameter(self, v: Any) -> Any:
        return v if v is None or self.kwargs["plain"] else ConfigValue(v)

    def _store_value(self, v: Any) -> None:
        self._computed_value = v

    def _init_delayed_evaluator(self) -> DelayEvaluator:
        if self._delayed_evaluator is None:
            self._delayed_evaluator = DelayEvaluator(self.name)
        return self._delayed_evaluator

    def __getattr__(self, name: str) -> Any:
        # What a copy or a pickle asks of a half-made object is no access to the config.
        if name.startswith("__") or "name" not in self.__dict__:
            raise AttributeError(name)
        return getattr(DelayEvaluator(self.name), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._init_delayed_evaluator())

    def __len__(self) -> int:
        return len(self._init_delayed_evaluator())

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and key.startswith(UNPACK_KEY):
            return self._init_delayed_evaluator()[key]
        return DelayEvaluator(self.name)[key]


Config.__module__ = "metaflow.user_configs.config_parameters"


def resolve_delayed_evaluator(v: Any, ignore_errors: bool = False, to_dict: bool = False) -> Any:
    """`v` with every expression in it, to any depth of plain containers, replaced by its value.

    ignore_errors: None if one cannot be evaluated. to_dict: plain dicts instead of ConfigValues.
    """
    try:
        return _resolved(v, to_dict)
    except Exception:
        if ignore_errors:
            return None
        raise


def _resolved(v: Any, to_dict: bool) -> Any:
    if isinstance(v, DelayEvaluator):
        value = v()
        return value.to_dict() if to_dict and isinstance(value, ConfigValue) else value
    if isinstance(v, dict):
        return {_resolved(key, to_dict): _resolved(value, to_dict) for key, value in v.items()}
    if type(v) in (list, tuple, set):
        return type(v)(_resolved(item, to_dict) for item in v)
    return v


def unpack_delayed_evaluator(
    to_unpack: Dict[str, Any], ignore_errors: bool = False
) -> Tuple[Dict[str, Any], List[str]]:
    """Keyword arguments with unpacked Configs (`**cfg`) replaced by their items, and the names of these items."""
    result: Dict[str, Any] = {}
    new_keys: List[str] = []
    for key, value in to_unpack.items():
        if not isinstance(key, str) or not key.startswith(UNPACK_KEY):
            result[key] = value
            continue
        items = resolve_delayed_evaluator(value, ignore_errors=ignore_errors, to_dict=True)
        if items is not None:
            new_keys.extend(items)
            result.update(items)
    return result, new_keys


def call_parser(parser: Union[str, Callable[[str], Any]], text: str, plain: bool) -> Any:
    """What a parser makes of `text`. parser: a function, or its dotted name (a leading `.` means `metaflow.`).

    Raises ValueError if there is no such function, or if it gives no mapping and `plain` is not set.
    """
    function: Any = parser
    if isinstance(parser, str):
        from importlib import import_module

        path, _, name = ("metaflow" + parser if parser.startswith(".") else parser).rpartition(".")
        try:
            module = import_module(path)
        except (ImportError, ValueError) as e:
            raise ValueError("Cannot locate parser %s" % parser) from e
        function = getattr(module, name, None)
        if not callable(function):
            raise ValueError("Parser %s is either not part of %s or not a callable" % (name, path))
    value = function(text)
    if not plain and not isinstance(value, Mapping):
        raise ValueError(
            "Parser %s returned a value that is not a mapping (got type %s): %s" % (parser, type(value), value)
        )
    return value
