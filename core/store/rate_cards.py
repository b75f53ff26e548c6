"""Meta's prices: rate cards, market map and the dated rules of what is charged at all.

A cost is policy x card x market, each with its own dates (days of the account's zone). The shipped
copies come from public files; take Meta's own CSV before production (docs/billing.md).
"""

import csv
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import UUID, uuid5

import psycopg

from core.errors import Conflict, InvalidInput
from core.store.queries import load

SHIPPED = Path(__file__).parent / "rate_cards"
SHIPPED_RATES = SHIPPED / "meta-rates.csv"
SHIPPED_MARKETS = SHIPPED / "market-map.csv"
_NAMESPACE = UUID("6f7b6c0e-4b59-5a5f-9a64-3d1f0c7a9f11")
_RATE_COLUMNS = frozenset(
    {"market", "currency", "category", "tier_from", "tier_to", "rate", "effective_from", "source"}
)
_MARKET_COLUMNS = frozenset({"calling_prefix", "iso", "market", "valid_from", "valid_to", "source"})

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFile:
    """What an import did: `rows_added` is 0 when the same bytes had been imported before."""

    name: str
    sha256: str
    rows_read: int
    rows_added: int
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaPolicy:
    """A dated rule: is this (category, pricing type) charged, and by which column of the card?"""

    category: str
    pricing_type: str
    charged: bool
    valid_from: date
    valid_to: date | None
    source: str
    rate_category: str | None = None
    free_quota_per_number_month: int = 0

    @property
    def policy_id(self) -> UUID:
        """The same rule has the same id on every installation."""
        return uuid5(_NAMESPACE, f"{self.category}/{self.pricing_type}/{self.valid_from}")


_BEGIN = date(2025, 7, 1)
_OCTOBER = date(2026, 10, 1)
_PER_MESSAGE = "Meta pricing page, per-message rules since 2025-07-01"
_AUGUST_TEXT = "Meta pricing page, text dated 2026-08-25, effective 2026-10-01"


def _policies() -> tuple[MetaPolicy, ...]:
    """Meta's rules as of 2026-11: the regime changes at local midnight of 2026-10-01."""
    always = [
        MetaPolicy(
            category=category,
            pricing_type="regular",
            charged=True,
            valid_from=_BEGIN,
            valid_to=None,
            source=_PER_MESSAGE,
        )
        for category in ("marketing", "utility", "authentication", "authentication_international")
    ]
    # The free entry point (72 hours after a click on an ad) is free for all categories, still.
    entry_point = [
        MetaPolicy(
            category=category,
            pricing_type="free_entry_point",
            charged=False,
            valid_from=_BEGIN,
            valid_to=None,
            source=_PER_MESSAGE,
        )
        for category in (
            "marketing",
            "utility",
            "authentication",
            "authentication_international",
            "service",
        )
    ]
    return (*always, *entry_point, *_in_window())


def _in_window() -> Iterator[MetaPolicy]:
    """Utility and service inside the customer service window: free, then charged.

    Service is charged at the market's utility rate: its own column is 0 on cards that are older
    than October, and that 0 must not make a charged message look free.
    """
    for category in ("utility", "service"):
        yield MetaPolicy(
            category=category,
            pricing_type="free_customer_service",
            charged=False,
            valid_from=_BEGIN,
            valid_to=_OCTOBER,
            source=_PER_MESSAGE,
        )
    yield MetaPolicy(
        category="service",
        pricing_type="regular",
        charged=False,
        valid_from=_BEGIN,
        valid_to=_OCTOBER,
        source=_PER_MESSAGE,
    )
    yield MetaPolicy(
        category="service",
        pricing_type="regular",
        charged=True,
        valid_from=_OCTOBER,
        valid_to=None,
        source=_AUGUST_TEXT,
        rate_category="utility",
        free_quota_per_number_month=1000,
    )
    # The regime counts, also where a status still names the window as its type.
    for category, quota in (("utility", 0), ("service", 1000)):
        yield MetaPolicy(
            category=category,
            pricing_type="free_customer_service",
            charged=True,
            valid_from=_OCTOBER,
            valid_to=None,
            source=_AUGUST_TEXT,
            rate_category="utility",
            free_quota_per_number_month=quota,
        )


POLICIES = _policies()


def import_rates(connection: Connection, path: Path) -> ImportedFile:
    """Import one rate card file, whole or not at all; the same bytes twice change nothing.

    Columns: market, currency, category, tier_from, tier_to, rate, effective_from, source (others
    are ignored). A rate is valid from `effective_from` until the next card of the same market,
    currency and category. Raises InvalidInput naming the line, Conflict when a rate we hold says
    otherwise.
    """
    content = path.read_bytes()
    rows = list(_rate_rows(content))
    return _import(connection, path.name, content, len(rows), lambda file: _store(file, rows))


def _store(file: "_OpenFile", rows: list[tuple[object, ...]]) -> int:
    queries = load("rate_cards")
    file.connection.execute(queries.create_incoming)
    with file.connection.cursor().copy(queries.copy_incoming) as copy:
        for row in rows:
            copy.write_row((uuid5(file.file_id, repr(row)), *row))
    contradictions = file.connection.execute(queries.find_contradictions).fetchall()
    if contradictions:
        market, currency, category, tier, day, known, new = contradictions[0]
        raise Conflict(
            f"{len(contradictions)} rates contradict imported ones, the first: {market} {currency} "
            f"{category} from {tier} on {day} is {known}, the file says {new}"
        )
    file.connection.execute(queries.close_superseded)
    try:
        return file.connection.execute(queries.insert_rates, {"file_id": file.file_id}).rowcount
    except psycopg.errors.ExclusionViolation as error:
        raise Conflict(
            "the file has two rates for one market, currency, category, tier and day"
        ) from error


def import_market_map(connection: Connection, path: Path) -> ImportedFile:
    """Import Meta's calling codes by market: calling_prefix, iso, market, valid_from, valid_to.

    Whole or not at all; the same bytes twice change nothing. Raises InvalidInput, Conflict.
    """
    content = path.read_bytes()
    rows = list(_market_rows(content))
    return _import(connection, path.name, content, len(rows), lambda file: _store_map(file, rows))


def _store_map(file: "_OpenFile", rows: list[dict[str, object]]) -> int:
    queries = load("rate_cards")
    try:
        return sum(file.connection.execute(queries.insert_market, row).rowcount for row in rows)
    except psycopg.errors.ExclusionViolation as error:
        raise Conflict("a calling prefix would have two markets on one day") from error


def seed_policies(connection: Connection) -> int:
    """Store Meta's dated charging rules; returns how many were new."""
    query = load("rate_cards").insert_policy
    return sum(
        connection.execute(
            query,
            {
                "policy_id": policy.policy_id,
                "category": policy.category,
                "pricing_type": policy.pricing_type,
                "charged": policy.charged,
                "rate_category": policy.rate_category or policy.category,
                "free_quota_per_number_month": policy.free_quota_per_number_month,
                "valid_from": policy.valid_from,
                "valid_to": policy.valid_to,
                "source": policy.source,
            },
        ).rowcount
        for policy in POLICIES
    )


def import_shipped(connection: Connection) -> list[ImportedFile]:
    """Everything a fresh installation needs to know Meta's prices: map, policies, rates."""
    seed_policies(connection)
    return [
        import_market_map(connection, SHIPPED_MARKETS),
        import_rates(connection, SHIPPED_RATES),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _OpenFile:
    connection: Connection
    file_id: UUID


def _import(
    connection: Connection,
    name: str,
    content: bytes,
    rows: int,
    store: Callable[[_OpenFile], int],
) -> ImportedFile:
    """Remember the file by its digest, then its rows, in one transaction."""
    queries = load("rate_cards")
    digest = hashlib.sha256(content).hexdigest()
    with connection.transaction():
        known = connection.execute(queries.find_file, {"sha256": digest}).fetchone() is not None
        added = 0
        if not known:
            file_id = uuid5(_NAMESPACE, digest)
            connection.execute(
                queries.insert_file,
                {"file_id": file_id, "name": name, "sha256": digest, "rows": rows},
            )
            added = store(_OpenFile(connection=connection, file_id=file_id))
    return ImportedFile(name=name, sha256=digest, rows_read=rows, rows_added=added, known=known)


def _rate_rows(content: bytes) -> Iterator[tuple[object, ...]]:
    for number, row in _lines(content, _RATE_COLUMNS):
        try:
            tier_to = int(row["tier_to"]) if row["tier_to"] else None
            yield (
                row["market"],
                row["currency"],
                row["category"].lower().replace("-", "_"),
                int(row["tier_from"] or 1),
                tier_to,
                Decimal(row["rate"]),
                date.fromisoformat(row["effective_from"]),
                row["source"],
            )
        except (ValueError, InvalidOperation) as error:
            raise InvalidInput(f"line {number} of the rate card cannot be read: {error}") from error


def _market_rows(content: bytes) -> Iterator[dict[str, object]]:
    for number, row in _lines(content, _MARKET_COLUMNS):
        try:
            valid_to = date.fromisoformat(row["valid_to"]) if row["valid_to"] else None
            yield {
                "calling_prefix": row["calling_prefix"],
                "iso": row["iso"],
                "market": row["market"],
                "valid_from": date.fromisoformat(row["valid_from"]),
                "valid_to": valid_to,
                "source": row["source"],
            }
        except ValueError as error:
            raise InvalidInput(f"line {number} of the market map cannot be read") from error


def _lines(content: bytes, wanted: Iterable[str]) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
    missing = sorted(set(wanted) - set(reader.fieldnames or ()))
    if missing:
        raise InvalidInput(f"the file lacks the columns {', '.join(missing)}")
    for row in reader:
        yield reader.line_num, {key: (value or "").strip() for key, value in row.items() if key}
