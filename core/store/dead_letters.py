"""What could not be processed and was put aside: listed, tried again or thrown away by people.

A dead ticket is evidence only: its messages are queued in PostgreSQL and get new tickets. A webhook
update in quarantine is work that was not done; its raw body is kept as long as bodies are.

What an operator does is synchronous, runs in the caller's transaction of role `operator`, and may
be done twice at once: each row is taken by one, and what it leads to is guarded by the claim
(tickets) or by the applier's de-duplication (webhooks).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

import psycopg
from psycopg.rows import class_row

from core.broker.envelopes import PoisonTicket, read_ticket
from core.domain.ids import MessageId, PhoneNumberId, TenantId
from core.errors import InvalidInput, NotFound
from core.store.database import Connection
from core.store.queries import load

_SQL = load("dead_letters")
_TICKET_NAMESPACE: Final = UUID("5b6a7c3f-2f0e-5c55-9d3c-6f1f8a4a7e21")
OperatorConnection = psycopg.Connection[tuple[object, ...]]


class LetterKind(StrEnum):
    """Where a dead letter comes from."""

    TICKET = "ticket"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One thing put aside; `letter_id` is `ticket:<uuid>` or `webhook:<number>`."""

    letter_id: str
    kind: str
    reason: str
    slug: str | None
    detail: str
    occurrences: int
    put_aside_at: datetime
    resolved_at: datetime | None
    resolution: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterFilter:
    """Which letters are meant; None means any. `reason` matches the beginning of the reason."""

    kind: LetterKind | None = None
    reason: str | None = None
    slug: str | None = None
    before: datetime | None = None
    letter_ids: Sequence[str] | None = None
    include_resolved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadTicket:
    """A dead ticket in our hands; `message_ids` are those still queued, None when unreadable."""

    tenant_id: TenantId | None
    phone_number_id: PhoneNumberId | None
    message_ids: tuple[MessageId, ...] | None


async def bury_ticket(connection: Connection, body: bytes, *, reason: str) -> None:
    """Keep a dead ticket. The same bytes make the same row, so a repetition only counts."""
    tenant_id, number, message_ids = None, None, None
    try:
        ticket = read_ticket(body)
    except PoisonTicket as error:
        reason = error.detail
    else:
        tenant_id, number = ticket.tenant_id, ticket.phone_number_id
        message_ids = list(ticket.message_ids)
    await connection.execute(
        _SQL.bury_ticket,
        {
            "dead_ticket_id": uuid5(_TICKET_NAMESPACE, body.hex()),
            "reason": reason,
            "tenant_id": tenant_id,
            "phone_number_id": number,
            "message_ids": message_ids,
            "body": body,
        },
    )


def list_dead_letters(
    connection: OperatorConnection, wanted: LetterFilter, *, limit: int
) -> list[DeadLetter]:
    """What was put aside, the oldest first."""
    with connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        cursor.execute(
            _SQL.list_dead_letters,
            {
                "include_resolved": wanted.include_resolved,
                "kind": wanted.kind.value if wanted.kind else None,
                "reason": wanted.reason,
                "slug": wanted.slug,
                "before": wanted.before,
                "letter_ids": list(wanted.letter_ids) if wanted.letter_ids is not None else None,
                "limit": limit,
            },
        )
        return cursor.fetchall()


def read_letter_id(letter_id: str) -> tuple[LetterKind, UUID | int]:
    """The two halves of a letter's id. Raises InvalidInput that says how one looks."""
    kind, _, rest = letter_id.partition(":")
    try:
        if kind == LetterKind.TICKET:
            return LetterKind.TICKET, UUID(rest)
        if kind == LetterKind.WEBHOOK:
            return LetterKind.WEBHOOK, int(rest)
    except ValueError:
        pass
    raise InvalidInput("a dead letter's id is ticket:<uuid> or webhook:<number>, as `ls` shows it")


def take_ticket(connection: OperatorConnection, dead_ticket_id: UUID) -> DeadTicket | None:
    """Lock an open dead ticket until the transaction ends; None when it is closed or taken."""
    row = connection.execute(_SQL.lock_dead_ticket, {"dead_ticket_id": dead_ticket_id}).fetchone()
    if row is None:
        return None
    tenant_id, number, message_ids, _ = row
    if not isinstance(tenant_id, UUID) or not isinstance(message_ids, list):
        return DeadTicket(tenant_id=None, phone_number_id=None, message_ids=None)
    queued = connection.execute(
        _SQL.list_still_queued,
        {
            "tenant_id": tenant_id,
            "message_ids": message_ids,
            "lowest": min(message_ids),
            "highest": max(message_ids),
        },
    ).fetchall()
    return DeadTicket(
        tenant_id=TenantId(tenant_id),
        phone_number_id=PhoneNumberId(str(number)),
        message_ids=tuple(MessageId(UUID(str(row[0]))) for row in queued),
    )


def resolve_ticket(
    connection: OperatorConnection, dead_ticket_id: UUID, *, resolution: str, actor: str
) -> bool:
    """Close a dead ticket; False when it was closed already."""
    values = {"dead_ticket_id": dead_ticket_id, "resolution": resolution, "actor": actor}
    return connection.execute(_SQL.resolve_ticket, values).rowcount == 1


def redrive_webhook(connection: OperatorConnection, quarantine_id: int, *, actor: str) -> bool:
    """Hand the body to the applier again; False when it is gone, closed, or taken by another."""
    values = {"quarantine_id": quarantine_id, "actor": actor}
    return connection.execute(_SQL.redrive_webhook, values).rowcount == 1


def discard_webhook(connection: OperatorConnection, quarantine_id: int, *, actor: str) -> bool:
    """Close a quarantined update for good; False when it was closed already."""
    values = {"quarantine_id": quarantine_id, "actor": actor}
    return connection.execute(_SQL.discard_webhook, values).rowcount == 1


def show_letter(connection: OperatorConnection, letter_id: str) -> dict[str, object]:
    """Everything known of a letter; `body` holds its bytes, None when retention has dropped them.

    The body of a webhook is personal data: show it to nobody who need not see it.
    Raises NotFound.
    """
    kind, key = read_letter_id(letter_id)
    if kind is LetterKind.TICKET:
        cursor = connection.execute(_SQL.read_dead_ticket, {"dead_ticket_id": key})
    else:
        cursor = connection.execute(_SQL.read_webhook_body, {"quarantine_id": key})
    row = cursor.fetchone()
    if row is None or cursor.description is None:
        raise NotFound("there is no such dead letter")
    return {column.name: value for column, value in zip(cursor.description, row, strict=True)}
