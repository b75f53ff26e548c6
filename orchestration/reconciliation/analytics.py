"""Pulls pricing_analytics of every account, with the account's own token, into the warehouse.

Meta calls the figures approximate and reaches back one year (Cloud API, analytics, read 2026-11).
An account that refuses or doesn't answer is recorded as such and stops nobody else's.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg

from core.domain.ids import TenantId
from core.dsn import DatabaseRole
from core.errors import CarteiroError, MetaError, MetaUnreachable
from core.settings import Settings
from core.store.accounts import open_token
from core.store.queries import load
from core.store.warehouse import warehouse_dsn
from core.whatsapp.client import CloudApi, open_session

DAYS_BACK = 35
_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A WhatsApp account to ask for; its days are days of `zone`."""

    tenant_id: UUID
    waba_id: str
    zone: ZoneInfo
    sealed_token: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Meta's count for an account's day; `cost` is None when Meta withholds it."""

    account_date: date
    country: str
    category: str
    pricing_type: str
    volume: int
    cost: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """What one account answered: `outcome` is fetched, refused, unreachable or no-token."""

    account: Account
    first_date: date
    last_date: date
    outcome: str
    points: tuple[Point, ...]


def pull_pricing_analytics(settings: Settings, *, as_of: datetime) -> list[Fetch]:
    """Ask for the last DAYS_BACK days of every account and store the answers."""
    accounts = _accounts(settings)
    fetches = asyncio.run(_ask_all(settings, accounts, as_of))
    fetched_at = datetime.now(UTC)
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        for fetch in fetches:
            _store(connection, fetch, fetched_at)
    return fetches


def parse_points(points: Iterable[Mapping[str, object]], zone: ZoneInfo) -> list[Point]:
    """Meta's data points in our words; a point belongs to the local day its period begins on."""
    return [
        Point(
            account_date=datetime.fromtimestamp(int(str(point["start"])), zone).date(),
            country=str(point.get("country", "??")),
            category=_word(point.get("pricing_category")),
            pricing_type=_word(point.get("pricing_type")),
            volume=int(str(point.get("volume", 0))),
            # A JSON number may have come through a float: its shortest form is what Meta wrote.
            cost=Decimal(str(point["cost"])) if point.get("cost") is not None else None,
        )
        for point in points
    ]


def _word(value: object) -> str:
    return str(value or "not_reported").lower().replace("-", "_")


def _accounts(settings: Settings) -> list[Account]:
    with psycopg.connect(settings.dsn(DatabaseRole.DATA)) as connection:
        rows = connection.execute(load("dimensions").account_tokens).fetchall()
    return [
        Account(tenant_id=row[0], waba_id=row[1], zone=ZoneInfo(row[2]), sealed_token=bytes(row[3]))
        for row in rows
    ]


async def _ask_all(settings: Settings, accounts: list[Account], as_of: datetime) -> list[Fetch]:
    gate = asyncio.Semaphore(_AT_ONCE)
    async with open_session(max_connections=_AT_ONCE, timeout_seconds=30) as session:

        async def ask(account: Account) -> Fetch:
            last = as_of.astimezone(account.zone).date()
            first = last - timedelta(days=DAYS_BACK)
            outcome, points = "fetched", list[Point]()
            try:
                token = open_token(TenantId(account.tenant_id), account.sealed_token)
                api = CloudApi(settings.meta_base_url, settings.meta_api_version, token, session)
                async with gate:
                    start, end = _midnight(first, account.zone), _midnight(last, account.zone, 1)
                    answer = await api.pricing_analytics(account.waba_id, start, end)
                points = parse_points(answer, account.zone)
            except MetaError:
                outcome = "refused"
            except MetaUnreachable:
                outcome = "unreachable"
            except CarteiroError:
                outcome = "no-token"
            return Fetch(
                account=account,
                first_date=first,
                last_date=last,
                outcome=outcome,
                points=tuple(points),
            )

        return list(await asyncio.gather(*(ask(account) for account in accounts)))


def _midnight(day: date, zone: ZoneInfo, days_later: int = 0) -> datetime:
    day += timedelta(days=days_later)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _store(
    connection: psycopg.Connection[tuple[object, ...]], fetch: Fetch, fetched_at: datetime
) -> None:
    queries = load("warehouse")
    key = {"tenant_id": fetch.account.tenant_id, "waba_id": fetch.account.waba_id}
    span = {"first_date": fetch.first_date, "last_date": fetch.last_date}
    if fetch.outcome == "fetched":
        connection.execute(queries.delete_analytics, {**key, **span})
        for point in fetch.points:
            connection.execute(
                queries.insert_analytics,
                {
                    **key,
                    "account_date": point.account_date,
                    "country": point.country,
                    "pricing_category": point.category,
                    "pricing_type": point.pricing_type,
                    "volume": point.volume,
                    "cost": point.cost,
                    "fetched_at": fetched_at,
                },
            )
    connection.execute(
        queries.record_fetch, {**key, **span, "outcome": fetch.outcome, "fetched_at": fetched_at}
    )


def unanswered(settings: Settings) -> list[tuple[str, str]]:
    """Accounts whose last question ended without an answer, and how."""
    with psycopg.connect(warehouse_dsn(settings)) as connection:
        rows = connection.execute(load("warehouse").list_unanswered).fetchall()
    return [(str(row[0]), str(row[1])) for row in rows]
