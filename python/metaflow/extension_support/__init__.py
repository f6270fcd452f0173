"""`metaflow.extension_support`: Extensions of Metaflow: only their cards are loaded."""

from __future__ import annotations

from typing import Any, List

from headrace.face import EXT_PKG, extension_info  # noqa: F401


def load_module(module_name: str) -> Any:
    """The module of that name."""
    from importlib import import_module

    return import_module(module_name)


def get_modules(extension_point: str) -> List[Any]:
    """Modules of extensions at a place such as `plugins`: none."""
    return []


def get_aliased_modules() -> List[str]:
    """Modules that extensions put in place of Metaflow's: none."""
    return []


def multiload_all(modules: List[Any], extension_point: str, dst_globals: Any) -> None:
    """Loads what `get_modules` gave: nothing."""


def multiload_globals(modules: List[Any], dst_globals: Any) -> None:
    """Loads what `get_modules` gave: nothing."""


def lazy_load_aliases(aliases: Any) -> None:
    """Puts modules of extensions in place of Metaflow's: none."""


def package_mfext_all() -> List[Any]:
    """Files of extensions for a code package: none."""
    return []
