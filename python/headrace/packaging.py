"""What a file in a code package is."""

from __future__ import annotations

from enum import IntEnum


class ContentType(IntEnum):
    """USER_CONTENT: beside the flow. CODE_CONTENT, MODULE_CONTENT: importable. OTHER_CONTENT: the rest."""

    USER_CONTENT = 0x1
    CODE_CONTENT = 0x2
    MODULE_CONTENT = 0x4
    OTHER_CONTENT = 0x8
    ALL_CONTENT = 0xF


ContentType.__module__ = "metaflow.packaging_sys"
