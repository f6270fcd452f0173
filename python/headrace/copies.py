"""Where runs are looked for that the metadata directory lacks: in their datastore, if that is in S3.

Runs of Headrace keep a copy of their metadata beside their data, so a machine that has only the bucket can read them
(`docs/guide/s3.md`). Import-cheap.
"""

from __future__ import annotations

from typing import Optional, Union

#: False: nothing was chosen, so the configured datastore in S3, if there is one.
_chosen: Union[bool, None, str] = False


def look_in(root: Optional[str]) -> None:
    """The datastore of this command line from now on; None: nowhere."""
    global _chosen
    _chosen = root


def place() -> Optional[str]:
    """`s3://BUCKET/PREFIX`, or None."""
    if _chosen is not False:
        return _chosen  # type: ignore[return-value]
    from headrace import settings

    root = settings.DATASTORE_SYSROOT_S3
    return str(root).rstrip("/") if root else None
