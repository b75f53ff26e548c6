"""Which files Meta takes, and how a message names ours."""

from uuid import UUID

import pytest

from core.domain.ids import MediaFileId
from core.domain.media import (
    MAX_BYTES,
    MediaKind,
    check_file,
    header_reference,
    media_reference,
    read_reference,
    with_meta_id,
)
from core.errors import InvalidInput

FILE_ID = MediaFileId(UUID("019a0000-0000-7000-8000-000000000001"))


def message(value: str, *, field: str = "id") -> dict[str, object]:
    return {
        "type": "template",
        "template": {
            "name": "offer",
            "components": [
                {"type": "header", "parameters": [{"type": "image", "image": {field: value}}]},
                {"type": "body", "parameters": [{"type": "text", "text": value}]},
            ],
        },
    }


@pytest.mark.parametrize(
    ("mime_type", "head", "kind"),
    [
        ("image/png", b"\x89PNG\r\n\x1a\n....", MediaKind.IMAGE),
        ("image/jpeg", b"\xff\xd8\xff\xe0", MediaKind.IMAGE),
        ("video/mp4", b"\x00\x00\x00\x18ftypmp42", MediaKind.VIDEO),
        ("application/pdf", b"%PDF-1.7", MediaKind.DOCUMENT),
        ("text/plain", b"anything", MediaKind.DOCUMENT),
    ],
)
def test_files_that_meta_takes_have_a_kind(mime_type: str, head: bytes, kind: MediaKind) -> None:
    assert check_file(mime_type, head, 1_000) is kind


@pytest.mark.parametrize(
    ("mime_type", "head", "size"),
    [
        ("image/gif", b"GIF89a", 10),
        ("text/html", b"<html>", 10),
        ("image/png", b"\xff\xd8\xff", 10),
        ("image/png", b"", 0),
        ("image/png", b"\x89PNG\r\n\x1a\n", MAX_BYTES[MediaKind.IMAGE] + 1),
        ("application/pdf", b"MZ", 10),
        ("", b"", 5),
    ],
)
def test_files_that_meta_would_refuse_are_refused_first(
    mime_type: str, head: bytes, size: int
) -> None:
    with pytest.raises(InvalidInput):
        check_file(mime_type, head, size)


def test_a_header_s_reference_is_replaced_and_nothing_else() -> None:
    reference = media_reference(FILE_ID)
    frozen = message(reference)
    assert header_reference(frozen) == FILE_ID
    sent = with_meta_id(frozen, "1234567890")
    assert sent["template"] == {
        "name": "offer",
        "components": [
            {"type": "header", "parameters": [{"type": "image", "image": {"id": "1234567890"}}]},
            {"type": "body", "parameters": [{"type": "text", "text": reference}]},
        ],
    }
    assert frozen == message(reference)


@pytest.mark.parametrize(
    "content",
    [
        message("https://example.com/a.png", field="link"),
        message("1234567890"),
        {"type": "text", "text": {"body": f"media:{FILE_ID}"}},
        {"type": "template", "template": {"name": "offer"}},
        {"type": "template", "template": {"components": [{"type": "header"}]}},
    ],
)
def test_a_message_without_a_file_of_ours_stays_as_it_is(content: dict[str, object]) -> None:
    assert header_reference(content) is None
    assert with_meta_id(content, "1") == content


@pytest.mark.parametrize(
    "value", ["media:", "media:1", f"media:{FILE_ID}x", 7, None, f"x{FILE_ID}"]
)
def test_what_names_no_file_is_no_reference(value: object) -> None:
    assert read_reference(value) is None
