"""The judgement: queries over the sandbox's ledger and our rows, never a log."""

import json
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg

from core.secrets import read_callback
from core.settings import Settings
from tests.chaos.director import Sink, Tenant

_TAKEN = frozenset({"accepted", "held", "sent", "delivered", "read"})
_OPEN = frozenset({"queued", "sending", "in_doubt"})
_CLOSED = frozenset({"failed", "expired", "cancelled"})
#: A doubt must end within this; with the waiting time for silence at 20 s instead of 15 minutes.
DOUBT_LIMIT_SECONDS = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OurMessage:
    """What our row says."""

    state: str
    has_reason: bool
    is_accepted: bool


@dataclass(slots=True)
class Books:
    """Both sides of one run."""

    ours: dict[str, OurMessage] = field(default_factory=dict)
    #: Acceptances by message id: what Meta's side took.
    theirs: Counter[str] = field(default_factory=Counter)
    #: How many messages it accepted, and for how many it told each status.
    told: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, kw_only=True)
class Verdict:
    """Counts; every name in `violations` breaks a promise."""

    planned: int
    accepted: int
    lost: int
    doubled: int
    denied: int
    in_doubt_open: int
    in_doubt_ever: int
    in_doubt_max_seconds: float
    calls_cut: int
    webhooks_due: int
    webhooks_missing: int
    violations: list[str]


def judge(
    settings: Settings, tenants: list[Tenant], sink: Sink, *, doubt_seconds: float
) -> Verdict:
    """Compare message by message."""
    with psycopg.connect(settings.database_url) as connection:
        books = read_books(connection, settings.meta_base_url)
        violations = [
            *_of_messages(books),
            *_of_campaigns(connection, tenants),
            *_of_facts(connection, books),
        ]
        due = _facts_due(connection)
        ever = _one(
            connection,
            "select count(distinct message_id) from raw.message_events"
            " where event_type = 'in_doubt'",
        )
        cut = _one(
            connection,
            "select count(*) from app.message_attempts"
            " where outcome in ('lease_expired', 'in_doubt')",
        )
    missing = due - sink.facts
    if missing:
        some = Counter(kind for kind, _ in missing)
        violations.append(f"{len(missing)} facts never reached the tenants' endpoint: {dict(some)}")
    if doubt_seconds > DOUBT_LIMIT_SECONDS:
        violations.append(f"a doubt lasted {doubt_seconds:.0f} s")
    return Verdict(
        planned=len(books.ours),
        accepted=books.told["accepted"],
        lost=len(lost(books)),
        doubled=len(doubled(books)),
        denied=len(denied(books)),
        in_doubt_open=sum(one.state == "in_doubt" for one in books.ours.values()),
        in_doubt_ever=ever,
        in_doubt_max_seconds=doubt_seconds,
        calls_cut=cut,
        webhooks_due=len(due),
        webhooks_missing=len(missing),
        violations=violations,
    )


def lost(books: Books) -> set[str]:
    """Planned, and neither taken by Meta nor closed with a stated reason."""
    return {
        message_id
        for message_id, one in books.ours.items()
        if one.state in _OPEN
        or (one.state in _CLOSED and not one.has_reason)
        or (one.state in _TAKEN and not books.theirs[message_id])
    }


def doubled(books: Books) -> set[str]:
    """Taken by Meta more than once."""
    return {message_id for message_id, times in books.theirs.items() if times > 1}


def denied(books: Books) -> set[str]:
    """Taken by Meta, and closed by us as never sent; or taken and unknown to us."""
    return {
        message_id
        for message_id in books.theirs
        if message_id not in books.ours or not books.ours[message_id].is_accepted
    }


def read_books(connection: psycopg.Connection[tuple[object, ...]], sandbox_url: str) -> Books:
    """Our rows and the sandbox's, each by message id."""
    books = Books()
    rows = connection.execute(
        "select message_id, state,"
        " coalesce(reason, error_code::text, exclusion_reason) is not null,"
        " accepted_at is not null from app.messages"
    )
    for message_id, state, has_reason, is_accepted in rows:
        books.ours[str(message_id)] = OurMessage(
            state=str(state), has_reason=bool(has_reason), is_accepted=bool(is_accepted)
        )
    for row in ledger_rows(sandbox_url):
        token = read_callback(str(row["biz_opaque_callback_data"]))
        books.theirs[str(token.message_id) if token else "not ours"] += 1
        statuses = row["statuses"]
        assert isinstance(statuses, list)
        books.told.update(["accepted", *{status["status"] for status in statuses}])
    return books


def ledger_rows(sandbox_url: str) -> Iterator[dict[str, object]]:
    """Every acceptance, in order."""
    after: int | None = 0
    while after is not None:
        with urllib.request.urlopen(f"{sandbox_url}/sandbox/ledger?after={after}&limit=5000") as it:
            page = json.load(it)
        after = page["next_after"]
        yield from page["data"]


def _of_messages(books: Books) -> list[str]:
    found = []
    if gone := lost(books):
        states = Counter(books.ours[message_id].state for message_id in gone)
        found.append(f"{len(gone)} lost: {dict(states)} {sorted(gone)[:5]}")
    if twice := doubled(books):
        found.append(f"{len(twice)} doubled: {sorted(twice)[:5]}")
    if untrue := denied(books):
        found.append(f"{len(untrue)} taken by Meta but not so in our books: {sorted(untrue)[:5]}")
    return found


def _of_campaigns(
    connection: psycopg.Connection[tuple[object, ...]], tenants: list[Tenant]
) -> list[str]:
    """Each campaign asked for exists once, has a row for each person, and has ended."""
    found = []
    asked = {campaign for tenant in tenants for campaign in tenant.campaigns}
    rows = connection.execute(
        "select c.campaign_id, c.finished_at is not null,"
        " (select count(*) from app.messages as m"
        "  where m.tenant_id = c.tenant_id and m.campaign_id = c.campaign_id),"
        " (select count(distinct m.contact_id) from app.messages as m"
        "  where m.tenant_id = c.tenant_id and m.campaign_id = c.campaign_id),"
        " (select count(*) from app.list_members as l"
        "  where l.tenant_id = c.tenant_id and l.list_id = c.list_id)"
        " from app.campaigns as c"
    ).fetchall()
    if strays := {str(row[0]) for row in rows} ^ asked:
        found.append(f"{len(strays)} campaigns are there twice or not at all")
    for campaign_id, finished, messages, contacts, members in rows:
        if not finished:
            found.append(f"campaign {campaign_id} has not finished")
        if not messages == contacts == members:
            found.append(
                f"campaign {campaign_id}: {members} people, {messages} rows for {contacts} of them"
            )
    return found


def _of_facts(connection: psycopg.Connection[tuple[object, ...]], books: Books) -> list[str]:
    """What was told is recorded once; nothing waits, is stuck or contradicts itself."""
    found = []
    doubled_facts = connection.execute(
        "select event_type, count(*) from ("
        "    select event_type, message_id from raw.message_events"
        "    where event_type in ('planned', 'excluded', 'accepted', 'sent', 'delivered',"
        "        'read', 'failed')"
        "    group by event_type, message_id having count(*) > 1"
        ") as twice group by event_type"
    ).fetchall()
    if doubled_facts:
        found.append(f"facts recorded twice: {doubled_facts}")
    rows = connection.execute(
        "select event_type, count(*) from raw.message_events as e"
        # Ours, not Meta's: failed before it was ever taken.
        " where not (event_type = 'failed' and exists ("
        "    select from app.messages as m where m.tenant_id = e.tenant_id"
        "    and m.message_id = e.message_id and m.accepted_at is null)) group by event_type"
    )
    recorded = Counter({str(kind): int(str(count)) for kind, count in rows})
    found += [
        f"{kind}: told {books.told[kind]}, recorded {recorded[kind]}"
        for kind in ("accepted", "sent", "delivered", "read", "failed")
        if recorded[kind] != books.told[kind]
    ]
    empty: tuple[LiteralString, ...] = (
        "select count(*) from app.messages where conflict = 'sent_twice'",
        "select count(*) from raw.webhook_queue",
        "select count(*) from raw.webhook_quarantine",
        "select count(*) from raw.orphan_statuses",
        "select count(*) from app.webhook_queue",
        "select count(*) from app.webhook_deliveries where state <> 'delivered'",
    )
    found += [
        f"{count} left by: {query.removeprefix('select count(*) from ')}"
        for query in empty
        if (count := _one(connection, query))
    ]
    return found


def _facts_due(connection: psycopg.Connection[tuple[object, ...]]) -> set[tuple[str, str]]:
    """Everything a tenant must have been told about its messages."""
    rows = connection.execute(
        "select distinct event_type, message_id from raw.message_events"
        " where event_type not in ('planned', 'excluded')"
    )
    return {(f"message.{event_type}", str(message_id)) for event_type, message_id in rows}


def _one(connection: psycopg.Connection[tuple[object, ...]], query: LiteralString) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(str(row[0]))
