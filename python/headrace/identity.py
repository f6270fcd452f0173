"""Who runs a flow."""

from __future__ import annotations

import os
from typing import Optional

from .errors import MetaflowUnknownUser


def get_username() -> Optional[str]:
    """The user's name; None if nothing tells it.

    The first name that is not `root` of METAFLOW_USER, SUDO_USER, USERNAME, USER. A root that nobody has named is
    `root`: in a container a newcomer is root.
    """
    from .settings import from_conf

    names = [from_conf("USER")] + [os.environ.get(name) for name in ("SUDO_USER", "USERNAME", "USER")]
    for name in names:
        if name and name != "root":
            return str(name)
    if os.geteuid() == 0:
        return "root"
    return None


def resolve_identity_as_tuple() -> "tuple[str, str]":
    """`("production", token)` or `("user", name)`. Raises MetaflowUnknownUser."""
    token = os.environ.get("METAFLOW_PRODUCTION_TOKEN")
    if token:
        return "production", token
    user = get_username()
    if user is None:
        raise MetaflowUnknownUser()
    return "user", user


def resolve_identity() -> str:
    """`production:TOKEN` or `user:NAME`. Raises MetaflowUnknownUser."""
    return "%s:%s" % resolve_identity_as_tuple()
