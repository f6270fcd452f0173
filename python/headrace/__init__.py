"""Headrace: runs Metaflow flows. Flows import the same names from `metaflow`.

Names resolve when they are first used (PEP 562), so that importing this package costs little.
"""

from __future__ import annotations

from typing import Any, List

from ._version import METAFLOW_FULL_VERSION as __version__
from .seeds import watch as _watch

#: Where each public name lives, below this package.
_HOMES = {
    "flowspec": ("FlowSpec", "step"),
    "parameters": ("Parameter", "JSONType", "JSONTypeClass"),
    "includefile": ("IncludeFile",),
    "user_configs": ("Config", "ConfigValue", "config_expr"),
    "current": ("current",),
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError("module 'headrace' has no attribute '%s'" % name)
    from importlib import import_module

    value = getattr(import_module("." + home, __name__), name)
    globals()[name] = value
    return value


def __dir__() -> List[str]:
    return sorted(set(globals()) | set(_HOME_OF))


_watch()
