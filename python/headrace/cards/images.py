"""Images for cards: from bytes, PIL and matplotlib to a `data:` address."""

from __future__ import annotations

from typing import Any, Optional, Tuple

_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"BM", "bmp"),
    (b"II*\x00", "tiff"), (b"MM\x00*", "tiff"),
)


#: A PNG of one black pixel.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000000200"
    "0148afa4710000000049454e44ae426082"
)


def image_source(image: Any) -> Tuple[Optional[str], str]:
    """The address that an `<img>` takes, and "" ; or None and what is wrong."""
    if image is None:
        return None, "`Image` has no image"
    if isinstance(image, str):
        if image.startswith("data:image/"):
            return image, ""
        return None, "an image given as text must be a `data:image/...` address"
    if isinstance(image, (bytes, bytearray)):
        return _from_bytes(bytes(image))
    save = getattr(image, "savefig", None)
    if save is None and hasattr(image, "get_figure"):
        save = image.get_figure().savefig
    module = type(image).__module__
    try:
        if save is not None:
            return _from_bytes(_written(lambda file: save(file, format="png", bbox_inches="tight")))
        if module.startswith("PIL"):
            return _from_bytes(_written(lambda file: image.save(file, format="PNG")))
    except Exception as error:
        return None, "the image cannot be written as PNG: %r" % error
    return None, "Invalid Type. Object %s is not supported. Supported types: str, bytes, PIL.Image.Image, " \
                 "matplotlib.figure.Figure" % type(image)


def _written(write: Any) -> bytes:
    import io

    file = io.BytesIO()
    write(file)
    return file.getvalue()


def _from_bytes(data: bytes) -> Tuple[Optional[str], str]:
    kind = next((name for start, name in _KINDS if data.startswith(start)), None)
    if kind is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    if kind is None:
        return None, "the bytes are no image of a known kind (PNG, JPEG, GIF, BMP, TIFF, WEBP)"
    import base64

    return "data:image/%s;base64,%s" % (kind, base64.b64encode(data).decode("ascii")), ""


def image_type(data: bytes) -> Optional[str]:
    """`png`, `jpeg`, `gif` or `webp`: the kinds that browsers show; None for other bytes."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((kind for magic, kind in _KINDS[:3] if data.startswith(magic)), None)
