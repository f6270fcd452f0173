"""`metaflow.user_decorators.common`: classes found by the end of their dotted name."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Tuple


class ClassPath_Trie:
    """Values by dotted name, found by any ending that only one name has."""

    def __init__(self) -> None:
        self.inited = False
        self._values: Dict[str, type] = {}

    def init(self, initial_nodes: Optional[Iterable[Tuple[str, type]]] = None) -> None:
        self.inited = True
        for name, value in initial_nodes or ():
            self.insert(name, value)

    def insert(self, classpath_name: str, value: type) -> None:
        self._values[classpath_name] = value

    def remove(self, classpath_name: str) -> None:
        """Forgets a name; one that is not there is ignored."""
        self._values.pop(classpath_name, None)

    def search(self, classpath_name: str) -> Optional[type]:
        """The value of exactly that name."""
        return self._values.get(classpath_name)

    def _ending_with(self, ending: str) -> List[str]:
        return [name for name in self._values if name == ending or name.endswith("." + ending)]

    def unique_prefix_value(self, classpath_name: str) -> Optional[type]:
        """The value of the only name that ends so, or of exactly that name; else None."""
        found = self._ending_with(classpath_name)
        return self._values[found[0]] if len(found) == 1 else self._values.get(classpath_name)

    def unique_prefix_for_type(self, value: type) -> Optional[str]:
        """The shortest ending that finds the value; its whole name if it has none of its own."""
        for name, known in self._values.items():
            if known is value:
                return self._shortest(name)
        return None

    def _shortest(self, name: str) -> str:
        parts = name.split(".")
        endings = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        return next((ending for ending in endings if len(self._ending_with(ending)) == 1), name)

    def get_unique_prefixes(self) -> Dict[str, type]:
        """The shortest endings of all names, and their values."""
        return {self._shortest(name): value for name, value in self._values.items()}
