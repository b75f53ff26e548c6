"""Webhooks about the past: what was written in the WhatsApp Business app before a number came.

Source: Meta, history webhook reference, 2025-12-12. A value holds chunks, those hold threads, each
of one person; one webhook may describe thousands of messages. Media comes without ids.
"""

from collections.abc import Iterator
from typing import Final

from core.whatsapp.json_values import (
    Json,
    Malformed,
    as_object,
    child,
    objects,
    optional_identifier,
    text,
)
from core.whatsapp.message_webhooks import read_inbound
from core.whatsapp.places import Place, Reader
from core.whatsapp.updates import HistoryUpdate, InboundMessage, Update

_FIELD: Final = "history"


def reader_of(field: str) -> Reader | None:
    """Who reads a value of the field; None: it is not about the past."""
    return _history if field == _FIELD else None


def _history(value: Json, place: Place) -> Update:
    business = _digits(text(child(value, "metadata"), "display_phone_number", limit=64))
    messages: list[InboundMessage] = []
    unread = 0
    for item in _items(value):
        try:
            message = as_object(item, "a message")
            # `to` is there only for what the business wrote.
            sender = optional_identifier(message, "from", limit=64)
            if "to" not in message and (sender is None or _digits(sender) != business):
                messages.append(read_inbound(message, place))
        except Malformed:
            unread += 1
    return HistoryUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        field=place.field,
        messages=tuple(messages),
        unread=unread,
    )


def _items(value: Json) -> Iterator[object]:
    """Every message; a business that keeps its history to itself is a chunk with errors only."""
    for chunk in objects(value.get("history")):
        for thread in objects(as_object(chunk, "a chunk").get("threads")):
            yield from objects(as_object(thread, "a thread").get("messages"))


def _digits(number: str | None) -> str:
    return "".join(filter(str.isdigit, number or ""))
