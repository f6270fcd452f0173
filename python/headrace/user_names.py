"""Names of custom decorators: `module.Class`, found by any ending of it that is unique."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional


class DecoratorNames:
    """Classes by dotted name. A class that is subclassed gives way to its subclasses."""

    def __init__(self) -> None:
        self._classes: Dict[str, Any] = {}
        self._retired: "set[str]" = set()

    def add(self, name: str, cls: Any, bases: Iterable[Any]) -> None:
        """Registers `cls`; its bases are no longer found by name."""
        for base in bases:
            base_name = getattr(base, "decorator_name", None)
            if base_name in self._classes:
                del self._classes[base_name]
                self._retired.add(base_name)
        if name not in self._retired:
            self._classes[name] = cls

    def find(self, name: str, built_in: Optional[Dict[str, Any]] = None) -> Any:
        """The class whose name ends with the parts of `name`; if several do, the one that is exactly `name`; else None."""
        ending = "." + name
        known = {**self._classes, **(built_in or {})}
        found = [cls for key, cls in known.items() if key == name or key.endswith(ending)]
        return found[0] if len(found) == 1 else known.get(name)

    def shortest(self, built_in: Iterable[str] = ()) -> Dict[str, str]:
        """Full name -> the shortest ending that finds it."""
        names = list(self._classes) + list(built_in)
        short: Dict[str, str] = {}
        for name in names:
            parts = name.split(".")
            short[name] = name
            for count in range(1, len(parts)):
                ending = ".".join(parts[-count:])
                if sum(other == ending or other.endswith("." + ending) for other in names) == 1:
                    short[name] = ending
                    break
        return short

    def classes(self) -> List[Any]:
        return list(self._classes.values())
