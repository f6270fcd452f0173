"""Debug lines on stderr, by area: `METAFLOW_DEBUG_<AREA>=1`."""

from __future__ import annotations

import sys
from typing import Any, Iterable, Union


class Debug:
    """`debug.<area>` says whether an area is on, `debug.<area>_exec(args)` prints."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from . import settings

        area = name[: -len("_exec")] if name.endswith("_exec") else name
        on = bool(getattr(settings, "DEBUG_" + area.upper(), False))
        if area == name:
            return on
        return (lambda args: self.log(area, args)) if on else self.noop

    def log(self, typ: str, args: Union[str, Iterable[str]]) -> None:
        """Prints one line of an area."""
        print("debug[%s]: %s" % (typ, args if isinstance(args, str) else " ".join(args)), file=sys.stderr)

    def noop(self, args: Any) -> None:
        """What an area does that is off."""


debug = Debug()
