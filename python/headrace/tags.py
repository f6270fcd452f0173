"""What a tag may be. metaflow.tagging_util has these names too."""

from __future__ import annotations

from typing import Any, Iterable, Optional

from .errors import MetaflowTaggingError

#: User tags a run may have.
MAX_USER_TAG_SET_SIZE = 50
#: Characters a tag may have.
MAX_TAG_SIZE = 500


def is_utf8_encodable(x: str) -> bool:
    try:
        x.encode("utf-8")
    except UnicodeError:
        return False
    return True


def is_utf8_decodable(x: bytes) -> bool:
    try:
        x.decode("utf-8")
    except UnicodeError:
        return False
    return True


def validate_tag(tag: Any) -> None:
    """Raises MetaflowTaggingError unless `tag` is a text (or UTF-8 bytes) of 1 to 500 characters."""
    if isinstance(tag, bytes):
        if not is_utf8_decodable(tag):
            raise MetaflowTaggingError("Tags must be UTF-8 decodable")
    elif isinstance(tag, str):
        if not is_utf8_encodable(tag):
            raise MetaflowTaggingError("Tags must be UTF-8 encodable")
    else:
        raise MetaflowTaggingError("Tags must be some kind of string (bytes or unicode), got %s" % type(tag))
    if not tag:
        raise MetaflowTaggingError("Tags must not be empty string")
    if len(tag) > MAX_TAG_SIZE:
        raise MetaflowTaggingError("Tag is too long %d > %d" % (len(tag), MAX_TAG_SIZE))


def validate_tags(tags: Iterable[Any], existing_tags: Optional[Iterable[Any]] = None) -> None:
    """Raises MetaflowTaggingError if a tag is ill-formed or there are too many.

    existing_tags: those of the run. A set that is too large already may stay so, as long as it does not grow.
    """
    wanted = frozenset(tags)
    if len(wanted) > MAX_USER_TAG_SET_SIZE:
        if existing_tags is None or len(frozenset(existing_tags)) < len(wanted):
            raise MetaflowTaggingError("Cannot increase size of tag set beyond %d" % MAX_USER_TAG_SET_SIZE)
    for tag in wanted:
        validate_tag(tag)
