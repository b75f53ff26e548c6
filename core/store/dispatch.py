"""Claims and outcomes: the two transactions around a send."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final, LiteralString

from psycopg.rows import class_row, scalar_row

from core.domain.ids import ContactId, MessageId, PhoneNumberId, TemplateId, TenantId, WabaId
from core.store.arrays import as_array
from core.store.database import Connection
from core.store.queries import load

_SQL = load("dispatch")
QUARANTINE_AFTER: Final = 5
"""Claims of one message in a row that may end with their worker; then nobody tries it again."""
NO_TOKEN_PAUSE = "no usable access token"  # noqa: S105 - a reason, not a secret
"""Why a number rests whose account's token cannot be read; storing another one ends it."""

# The order of ids, without the comparison of UUID, which is Python.
_number = attrgetter("int")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedMessage:
    """A message that is ours to send until its lease ends; `content` lacks address and token."""

    message_id: MessageId
    attempt_no: int
    contact_id: ContactId
    template_id: TemplateId | None
    waba_id: WabaId
    address: str
    content: dict[str, object]
    claimed_at: datetime
    throttle_count: int = 0
    """Answers "not now" since the last acceptance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendOutcome:
    """What became of one attempt.

    `outcome` is the attempt's own word (accepted, held, rejected, throttled, not_sent, in_doubt),
    `state` the message's: accepted, held, failed, in_doubt, or queued when it waits for
    `not_before`.
    """

    message_id: MessageId
    attempt_no: int
    outcome: str
    state: str
    claimed_at: datetime
    wamid: str | None = None
    error_code: int | None = None
    not_before: datetime | None = None
    requested_at: datetime | None = None
    answered_at: datetime | None = None
    http_status: int | None = None
    error_subcode: int | None = None
    error_detail: str | None = None
    fbtrace_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIdentity:
    """An address that Meta says is this contact's: kind is wa_id or bsuid."""

    contact_id: ContactId
    kind: str
    value: str


async def claim_messages(
    connection: Connection,
    *,
    tenant_id: TenantId,
    phone_number_id: PhoneNumberId,
    message_ids: Sequence[MessageId],
    worker: str,
    lease_seconds: int,
) -> list[ClaimedMessage]:
    """Take what may be sent now; commit before you send.

    One statement asks everything that can forbid a send (docs/sending.md lists it). Whoever opted
    out or was suppressed by a transaction that committed before it is cancelled here, with an
    event, and never returned. Before it, a limited portfolio is locked until the transaction ends,
    so that two claims never count the same free places.
    """
    await connection.execute(
        _SQL.lock_portfolio, {"tenant_id": tenant_id, "phone_number_id": phone_number_id}
    )
    async with connection.cursor(row_factory=class_row(ClaimedMessage)) as cursor:
        await cursor.execute(
            _SQL.claim_messages,
            {
                "tenant_id": tenant_id,
                "phone_number_id": phone_number_id,
                "message_ids": list(message_ids),
                "lowest": min(message_ids),
                "highest": max(message_ids),
                "worker": worker,
                "lease_seconds": lease_seconds,
            },
        )
        return await cursor.fetchall()


async def list_stopped(
    connection: Connection, *, tenant_id: TenantId, message_ids: Sequence[MessageId]
) -> frozenset[MessageId]:
    """Which of these claims nobody may post any more: for those that waited since their claim."""
    async with connection.cursor(row_factory=scalar_row) as cursor:
        await cursor.execute(
            _SQL.list_stopped,
            {
                "tenant_id": tenant_id,
                "message_ids": list(message_ids),
                "lowest": min(message_ids),
                "highest": max(message_ids),
            },
        )
        return frozenset(MessageId(found) for found in await cursor.fetchall())


async def lock_messages(
    connection: Connection, *, tenant_ids: Sequence[TenantId], message_ids: Sequence[MessageId]
) -> None:
    """Lock these messages until the transaction ends, in the order everybody locks in.

    A statement that waits for a lock checks the row anew, and was seen to leave rows out that had
    changed meanwhile (22 of 31, PostgreSQL 18.4, 2026-11): it is asked again until it names them
    all, or twice the same. What is read by later statements is then complete and stands still.
    """
    values = {
        "tenant_ids": as_array(tenant_ids),
        "message_ids": as_array(message_ids),
        "lowest": min(message_ids, key=_number),
        "highest": max(message_ids, key=_number),
    }
    locked_before = -1
    while True:
        cursor = await connection.execute(_SQL.lock_messages, values)
        locked = len(await cursor.fetchall())
        if locked in (len(message_ids), locked_before):
            return
        locked_before = locked


async def record_outcomes(
    connection: Connection,
    *,
    tenant_id: TenantId,
    worker: str,
    outcomes: Sequence[SendOutcome],
) -> int:
    """Record a ticket's outcomes; returns how many messages got a second wamid (sent twice)."""
    ids = [outcome.message_id for outcome in outcomes]
    await lock_messages(connection, tenant_ids=[tenant_id], message_ids=ids)
    cursor = await connection.execute(
        _SQL.record_outcomes,
        {
            "tenant_id": tenant_id,
            "worker": worker,
            "message_ids": ids,
            "lowest": min(ids),
            "highest": max(ids),
            "attempt_nos": [outcome.attempt_no for outcome in outcomes],
            "outcomes": [outcome.outcome for outcome in outcomes],
            "states": [outcome.state for outcome in outcomes],
            "wamids": [outcome.wamid for outcome in outcomes],
            "error_codes": [outcome.error_code for outcome in outcomes],
            "not_befores": [outcome.not_before for outcome in outcomes],
            "claimed_ats": [outcome.claimed_at for outcome in outcomes],
            "requested_ats": [outcome.requested_at for outcome in outcomes],
            "answered_ats": [outcome.answered_at for outcome in outcomes],
            "http_statuses": [outcome.http_status for outcome in outcomes],
            "error_subcodes": [outcome.error_subcode for outcome in outcomes],
            "error_details": [outcome.error_detail for outcome in outcomes],
            "fbtrace_ids": [outcome.fbtrace_id for outcome in outcomes],
        },
    )
    row = await cursor.fetchone()
    return int(str(row[1])) if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedClaim:
    """What became of a dead worker's claim: queued, or in_doubt."""

    tenant_id: TenantId
    message_id: MessageId
    state: str
    is_poison: bool


async def release_claims(
    connection: Connection, *, worker: str, posted: Sequence[tuple[MessageId, int]]
) -> list[ReleasedClaim]:
    """End the claims of a worker that is dead: what was not `posted` (message, attempt) is queued.

    Only for a worker that certainly lives no more: what it would still send, another sends too.
    """
    async with connection.cursor(row_factory=class_row(ReleasedClaim)) as cursor:
        await cursor.execute(
            _SQL.release_claims,
            {
                "worker": worker,
                "message_ids": [message_id for message_id, _ in posted],
                "attempt_nos": [attempt_no for _, attempt_no in posted],
                "limit": QUARANTINE_AFTER,
            },
        )
        return await cursor.fetchall()


async def prune_paces(connection: Connection) -> int:
    """Forget what the pair limit no longer needs; returns rows deleted."""
    return (await connection.execute(_SQL.prune_paces)).rowcount


async def link_identities(
    connection: Connection, *, tenant_id: TenantId, identities: Sequence[NewIdentity]
) -> None:
    """Remember addresses Meta answered with; one that belongs to somebody else stays theirs."""
    if not identities:
        return
    await connection.execute(
        _SQL.link_identities,
        {
            "tenant_id": tenant_id,
            "kinds": as_array([identity.kind for identity in identities]),
            "identities": as_array([identity.value for identity in identities]),
            "contact_ids": as_array([identity.contact_id for identity in identities]),
        },
    )


async def find_account_token(
    connection: Connection, *, tenant_id: TenantId, waba_id: WabaId
) -> bytes | None:
    """The encrypted access token of an account, or None when there is no such account.

    Ask in the transaction of the claim: a token that was replaced is never used again.
    """
    cursor = await connection.execute(
        _SQL.get_account_token, {"tenant_id": tenant_id, "waba_id": waba_id}
    )
    row = await cursor.fetchone()
    return bytes(row[0]) if row and isinstance(row[0], (bytes, memoryview)) else None


async def is_outdated(
    connection: Connection,
    *,
    tenant_id: TenantId,
    kind: str,
    subject: str,
    occurred_at: datetime,
    waba_id: WabaId,
    refused_token: bytes | None,
) -> bool:
    """Whether a stop's alert was closed after `occurred_at`, or the account has another token.

    `refused_token` is sealed; None asks about the alert only.
    """
    cursor = await connection.execute(
        _SQL.is_outdated,
        {
            "tenant_id": tenant_id,
            "kind": kind,
            "subject": subject,
            "occurred_at": occurred_at,
            "waba_id": waba_id,
            "refused_token": refused_token,
        },
    )
    row = await cursor.fetchone()
    return bool(row and row[0])


async def run(connection: Connection, query: LiteralString, **values: object) -> int:
    """Run one of the small statements of dispatch.sql; returns the rows it touched."""
    cursor = await connection.execute(query, values)
    return cursor.rowcount
