"""What travels through the broker: tickets, in JSON, with ids and nothing about people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import orjson

from core.domain.ids import MessageId, PhoneNumberId, TenantId
from core.errors import CarteiroError

TICKET_VERSION: Final = 1
MAX_MESSAGES: Final = 100
_MAX_BYTES: Final = 16_384


class PoisonTicket(CarteiroError):
    """A broker message that is no ticket this release can read; retrying cannot help."""

    code = "poison-ticket"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A hint to send up to 100 messages of one number, worthless after `expires_at`."""

    ticket_id: UUID
    tenant_id: TenantId
    phone_number_id: PhoneNumberId
    message_ids: Sequence[MessageId]
    issued_at: datetime
    expires_at: datetime
    #: The requests that asked for these messages, each once; none is behind the run of a series.
    request_ids: tuple[UUID, ...] = ()


def write_ticket(ticket: Ticket) -> bytes:
    """The bytes of a ticket. Raises ValueError when it names no message or more than 100."""
    if not 1 <= len(ticket.message_ids) <= MAX_MESSAGES:
        raise ValueError(f"a ticket names 1 to {MAX_MESSAGES} messages")
    return orjson.dumps(
        {
            "v": TICKET_VERSION,
            "ticket_id": ticket.ticket_id,
            "tenant_id": ticket.tenant_id,
            "phone_number_id": ticket.phone_number_id,
            "message_ids": list(ticket.message_ids),
            "issued_at": ticket.issued_at,
            "expires_at": ticket.expires_at,
            "request_ids": ticket.request_ids,
        }
    )


def read_ticket(body: bytes) -> Ticket:
    """The ticket in these bytes. Raises PoisonTicket, without quoting them."""
    if len(body) > _MAX_BYTES:
        raise PoisonTicket("a broker message is too long to be a ticket")
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PoisonTicket("a broker message is not JSON") from error
    if not isinstance(fields, dict) or fields.get("v") != TICKET_VERSION:
        raise PoisonTicket("a broker message has a version this release does not read")
    try:
        return _ticket(fields)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise PoisonTicket("a ticket lacks a field or holds a wrong one") from error


def _ticket(fields: dict[str, object]) -> Ticket:
    ids = fields["message_ids"]
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_MESSAGES:
        raise ValueError("message_ids")
    # Absent from the tickets of an earlier release.
    requests = fields.get("request_ids", [])
    if not isinstance(requests, list) or len(requests) > MAX_MESSAGES:
        raise ValueError("request_ids")
    number = fields["phone_number_id"]
    if not isinstance(number, str) or not number:
        raise ValueError("phone_number_id")
    return Ticket(
        ticket_id=_uuid(fields["ticket_id"]),
        tenant_id=TenantId(_uuid(fields["tenant_id"])),
        phone_number_id=PhoneNumberId(number),
        message_ids=tuple(MessageId(_uuid(value)) for value in ids),
        issued_at=_instant(fields["issued_at"]),
        expires_at=_instant(fields["expires_at"]),
        request_ids=tuple(_uuid(value) for value in requests),
    )


def _uuid(value: object) -> UUID:
    if not isinstance(value, str):
        raise TypeError("an id is a string")
    return UUID(value)


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise TypeError("an instant is a string")
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError("an instant carries its offset")
    return at.astimezone(UTC)
