"""`metaflow.packaging_sys.distribution_support`: which installed distribution a package belongs to."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

name_normalizer = re.compile(r"[-_.]+")

_found: Optional[Dict[str, List[Any]]] = None


def packages_distributions() -> Mapping[str, List[str]]:
    """Top-level packages and the names of the distributions that hold them."""
    from importlib import metadata

    named: Dict[str, List[str]] = {}
    for dist in metadata.distributions():
        declared = (dist.read_text("top_level.txt") or "").split()
        inferred = {
            file.parts[0] if len(file.parts) > 1 else file.with_suffix("").name
            for file in (dist.files or ())
            if file.suffix == ".py"
        }
        for package in declared or sorted(inferred):
            named.setdefault(package, []).append(dist.metadata["Name"])
    return named


def modules_to_distributions() -> Dict[str, List[Any]]:
    """Top-level modules and their distributions. Computed once a process."""
    global _found
    if _found is None:
        from importlib import metadata

        _found = {
            package: [metadata.distribution(name) for name in sorted(set(names))]
            for package, names in packages_distributions().items()
        }
    return _found
