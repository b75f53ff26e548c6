"""Files in template headers: which types Meta takes, how large, and how a message names ours."""

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from core.domain.ids import MediaFileId
from core.errors import InvalidInput

_MB: Final = 1024 * 1024


class MediaKind(StrEnum):
    """What a header shows; the word of its parameter in a send."""

    IMAGE = "image"
    VIDEO = "video"
    DOCUMENT = "document"


MAX_BYTES: Final[Mapping[MediaKind, int]] = MappingProxyType(
    # Meta, "Media", updated 2026-04-17.
    {MediaKind.IMAGE: 5 * _MB, MediaKind.VIDEO: 16 * _MB, MediaKind.DOCUMENT: 100 * _MB}
)
LARGEST: Final = max(MAX_BYTES.values())
KIND_OF_TYPE: Final[Mapping[str, MediaKind]] = MappingProxyType(
    {
        "image/jpeg": MediaKind.IMAGE,
        "image/png": MediaKind.IMAGE,
        "video/mp4": MediaKind.VIDEO,
        "video/3gpp": MediaKind.VIDEO,
        "application/pdf": MediaKind.DOCUMENT,
        "text/plain": MediaKind.DOCUMENT,
        "application/msword": MediaKind.DOCUMENT,
        "application/vnd.ms-excel": MediaKind.DOCUMENT,
        "application/vnd.ms-powerpoint": MediaKind.DOCUMENT,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": (
            MediaKind.DOCUMENT
        ),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": MediaKind.DOCUMENT,
        "application/vnd.openxmlformats-officedocument.presentationml.presentation": (
            MediaKind.DOCUMENT
        ),
    }
)
#: How a file of a type begins; text has no sign, the old Office formats share one.
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SIGNS: Final[Mapping[str, tuple[int, bytes]]] = MappingProxyType(
    {
        "image/jpeg": (0, b"\xff\xd8\xff"),
        "image/png": (0, b"\x89PNG\r\n\x1a\n"),
        "video/mp4": (4, b"ftyp"),
        "video/3gpp": (4, b"ftyp3g"),
        "application/pdf": (0, b"%PDF-"),
        "application/msword": (0, _OLE),
        "application/vnd.ms-excel": (0, _OLE),
        "application/vnd.ms-powerpoint": (0, _OLE),
    }
)
_REFERENCE: Final = re.compile(
    r"media:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.ASCII
)


def check_file(mime_type: str, head: bytes, size: int) -> MediaKind:
    """The kind of a file whose first bytes are `head`.

    Raises InvalidInput when Meta takes no such type, it is too large, or it is another type than
    it says: Meta would answer 131053 for each message of a campaign.
    """
    kind = KIND_OF_TYPE.get(mime_type)
    if kind is None:
        raise InvalidInput(f"Meta takes no such file here; one of {', '.join(KIND_OF_TYPE)}")
    if size == 0:
        raise InvalidInput("the file is empty")
    if size > MAX_BYTES[kind]:
        raise InvalidInput(f"Meta's limit for a {kind} is {MAX_BYTES[kind] // _MB} MB")
    at, sign = _sign(mime_type)
    if head[at : at + len(sign)] != sign:
        raise InvalidInput(f"the file does not begin as {mime_type} does")
    return kind


def _sign(mime_type: str) -> tuple[int, bytes]:
    if mime_type.startswith("application/vnd.openxmlformats"):
        return (0, b"PK\x03\x04")
    return _SIGNS.get(mime_type, (0, b""))


def media_reference(media_file_id: MediaFileId) -> str:
    """How a campaign's parameter and a frozen message name a file of ours."""
    return f"media:{media_file_id}"


def read_reference(value: object) -> MediaFileId | None:
    """The file that a value names, or None when it names none of ours."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return MediaFileId(UUID(found[1])) if found else None


def header_reference(content: Mapping[str, object]) -> MediaFileId | None:
    """The file of ours that a message's header names, or None."""
    holder = _header_file(content)
    return None if holder is None else read_reference(holder.get("id"))


def with_meta_id(content: Mapping[str, object], meta_media_id: str) -> dict[str, object]:
    """The message with Meta's id in place of ours; the given one stays as it is."""
    template = content.get("template")
    if not isinstance(template, Mapping) or _header_file(content) is None:
        return dict(content)
    components = [
        _renamed(component, meta_media_id) if _is_header(component) else component
        for component in template["components"]
    ]
    return {**content, "template": {**template, "components": components}}


def _renamed(component: Mapping[str, object], meta_media_id: str) -> dict[str, object]:
    parameters = component["parameters"]
    if not isinstance(parameters, list):
        return dict(component)
    renamed = []
    for parameter in parameters:
        kind = str(parameter.get("type"))
        held = parameter.get(kind)
        own = isinstance(held, Mapping) and read_reference(held.get("id")) is not None
        renamed.append({**parameter, kind: {**held, "id": meta_media_id}} if own else parameter)
    return {**component, "parameters": renamed}


def _header_file(content: Mapping[str, object]) -> Mapping[str, object] | None:
    template = content.get("template")
    components = template.get("components") if isinstance(template, Mapping) else None
    for component in components if isinstance(components, list) else ():
        if not _is_header(component):
            continue
        for parameter in component.get("parameters") or ():
            named = isinstance(parameter, Mapping)
            held = parameter.get(str(parameter.get("type"))) if named else None
            if isinstance(held, Mapping) and "id" in held:
                return held
    return None


def _is_header(component: object) -> bool:
    return isinstance(component, Mapping) and str(component.get("type")).lower() == "header"
