"""Names of events within a project's branch."""

from __future__ import annotations

from typing import Any, Callable, Optional


def namespaced_event_name(event_name: str) -> Callable[..., str]:
    """A function that gives `mfns.<project>.<branch>.<event_name>`, without a project `mfns.<event_name>`."""
    if not isinstance(event_name, str):
        raise ValueError("event_name should be a string not %s" % type(event_name))
    from functools import partial

    return partial(_name_now, event_name=event_name)


def _name_now(context: Any = None, event_name: str = "") -> str:
    from .current import current

    return make_namespaced_event_name(event_name, current.get("project_name"), current.get("branch_name"))


def make_namespaced_event_name(logical_name: str, project: Optional[str] = None, branch: Optional[str] = None) -> str:
    """The full name of an event; characters that event buses refuse are left out of project and branch."""
    import re

    from . import settings

    parts = [settings.NAMESPACED_EVENTS_PREFIX]
    if project and branch:
        parts += [re.sub(r"[^a-zA-Z0-9_\-\.]", "", text) for text in (project, branch)]
    return ".".join(parts + [logical_name])
