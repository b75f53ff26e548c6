"""What Meta would charge and report: price types of sends and the pricing_analytics of accounts."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import orjson

from sandbox.config import SERVICE_BILLING_STARTS, RateConfig
from sandbox.errors import GraphError
from sandbox.ledger import Message
from sandbox.world import Number, Waba, World

_SLOT_SECONDS: Final = 900
_CALL = re.compile(r"\.(\w+)\(([^()]*)\)")
_DIMENSIONS: Final = ("COUNTRY", "PHONE", "PRICING_CATEGORY", "PRICING_TYPE", "TIER")
_SERVICE_STARTS_MS: Final = int(SERVICE_BILLING_STARTS.timestamp() * 1000)


class NewTier(NamedTuple):
    """A portfolio's messages of a market and category cost another tier's price from now on."""

    region: str
    category: str
    tier: str
    month: str
    at_seconds: int


class Cell(NamedTuple):
    """What is counted together; `slot` is the quarter of an hour, in seconds since 1970."""

    waba_id: str
    slot: int
    number_id: str
    country: str
    category: str
    price_type: str
    tier: str


class Analytics:
    """Delivered messages per account, quarter of an hour, number, country, category and type.

    A quarter of an hour is the finest unit in which every time zone's midnight falls.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.volumes: Counter[Cell] = Counter()
        self._service_taken: Counter[tuple[str, str]] = Counter()
        self._charged: Counter[tuple[str, str, str, str]] = Counter()
        self.on_new_tier: Callable[[Waba, NewTier], None] | None = None

    def clear(self) -> None:
        """Start from nothing."""
        self.volumes.clear()
        self._service_taken.clear()
        self._charged.clear()

    def price_type(self, number: Number, category: str, *, in_window: bool, now_ms: int) -> str:
        """`regular` or `free_customer_service` for a send accepted now.

        Marketing and authentication always cost. Utility inside the window and service messages
        are free before 2026-10-01; from then on a number has some free service messages a month
        (month in the account's zone) and the rest is charged (Meta's pricing page, 2026).
        ASSUMPTION: the free ones keep the type `free_customer_service`; Meta hasn't published it.
        """
        charged_since = now_ms >= _SERVICE_STARTS_MS
        if category == "utility":
            return "free_customer_service" if in_window and not charged_since else "regular"
        if category != "service":
            return "regular"
        if not charged_since:
            return "free_customer_service"
        month = datetime.fromtimestamp(now_ms / 1000, number.waba.timezone).strftime("%Y-%m")
        self._service_taken[number.id, month] += 1
        free = self.world.config.limits.free_service_messages
        within = self._service_taken[number.id, month] <= free
        return "free_customer_service" if within else "regular"

    def count_delivery(self, message: Message, at_ms: int) -> None:
        """Count a message at the moment it was first delivered or read."""
        waba = self.world.numbers[message.number_id].waba
        seconds = at_ms // 1000
        cell = Cell(
            waba.id,
            seconds - seconds % _SLOT_SECONDS,
            message.number_id,
            message.country,
            message.category,
            message.price_type,
            self._tier(waba, message, seconds),
        )
        self.volumes[cell] += 1

    def _tier(self, waba: Waba, message: Message, seconds: int) -> str:
        """The volume tier of one more charged message: per portfolio, market, category, month."""
        bounds = self.world.config.volume_tiers.get(message.category)
        if not bounds or message.price_type != "regular":
            return tier_text(0, ())
        month = datetime.fromtimestamp(seconds, waba.timezone).strftime("%Y-%m")
        key = (waba.config.portfolio_id, message.country, message.category, month)
        before = self._charged[key]
        self._charged[key] = before + 1
        tier = tier_text(before, bounds)
        if before in bounds and self.on_new_tier is not None:
            new = NewTier(message.country, message.category, tier, month, seconds)
            self.on_new_tier(waba, new)
        return tier

    def delivered(self) -> dict[str, int]:
        """Delivered messages by category, all accounts."""
        totals: Counter[str] = Counter()
        for cell, volume in self.volumes.items():
            totals[cell.category] += volume
        return dict(totals)

    def answer(self, waba: Waba, expression: str) -> dict[str, object]:
        """The `pricing_analytics` field of the account node for one field expression."""
        query = parse_query(expression)
        points = Points(waba, query, self.world.config.rates)
        for cell, volume in self.volumes.items():
            if cell.waba_id == waba.id and query.wants(cell, self.world.numbers[cell.number_id]):
                points.add(cell, volume, self.world.numbers[cell.number_id].digits)
        return {"data": [{"data_points": points.listed()}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A parsed pricing_analytics expression; empty sets don't filter."""

    start: int
    end: int
    granularity: str
    phone_numbers: frozenset[str]
    country_codes: frozenset[str]
    pricing_types: frozenset[str]
    pricing_categories: frozenset[str]
    metric_types: frozenset[str]
    dimensions: frozenset[str]

    def wants(self, cell: Cell, number: Number) -> bool:
        """True when the cell is inside the range and every filter."""
        return (
            self.start <= cell.slot < self.end
            and _admits(self.phone_numbers, number.digits)
            and _admits(self.country_codes, cell.country)
            and _admits(self.pricing_types, cell.price_type.upper())
            and _admits(self.pricing_categories, category_name(cell.category))
        )


def parse_query(expression: str) -> Query:
    """Read `pricing_analytics.start(1).end(2).granularity(DAILY)...`; raises 100 when it can't."""
    parts = {name.lower(): value for name, value in _CALL.findall(expression)}
    granularity = parts.get("granularity", "").strip("\"' ").upper()
    if not parts.get("start", "").isdigit() or not parts.get("end", "").isdigit():
        raise GraphError(100, title="The parameters start and end are required")
    if granularity not in {"HALF_HOUR", "DAILY", "MONTHLY"}:
        raise GraphError(100, title="Param granularity must be one of {HALF_HOUR, DAILY, MONTHLY}")
    dimensions = _array(parts, "dimensions")
    if dimensions - set(_DIMENSIONS):
        raise GraphError(100, title=f"Param dimensions must be of {{{', '.join(_DIMENSIONS)}}}")
    return Query(
        start=int(parts["start"]),
        end=int(parts["end"]),
        granularity=granularity,
        phone_numbers=frozenset(
            "".join(filter(str.isdigit, number)) for number in _array(parts, "phone_numbers")
        ),
        country_codes=_array(parts, "country_codes"),
        pricing_types=_array(parts, "pricing_types"),
        pricing_categories=_array(parts, "pricing_categories"),
        metric_types=_array(parts, "metric_types") or frozenset({"COST", "VOLUME"}),
        dimensions=dimensions,
    )


class Points:
    """Data points while they add up; a point is a period and the values of the dimensions."""

    def __init__(self, waba: Waba, query: Query, rates: Iterable[RateConfig]) -> None:
        self._waba = waba
        self._query = query
        self._rates = [rate for rate in rates if rate.currency == waba.config.currency]
        self._volume: Counter[tuple[object, ...]] = Counter()
        self._cost: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
        self._unpriced: set[tuple[object, ...]] = set()

    def add(self, cell: Cell, volume: int, phone: str) -> None:
        """Add one cell to its point."""
        start, end = period(cell.slot, self._query.granularity, self._waba.timezone)
        free = cell.price_type != "regular"
        values = {
            "COUNTRY": cell.country,
            "PHONE": phone,
            "PRICING_CATEGORY": category_name(cell.category),
            "PRICING_TYPE": cell.price_type.upper(),
            "TIER": None if free else cell.tier,
        }
        wanted = self._query.dimensions
        key = (start, end, *(values[name] if name in wanted else None for name in _DIMENSIONS))
        self._volume[key] += volume
        rate = Decimal(0) if free else self._rate(cell)
        if rate is None:
            self._unpriced.add(key)
        else:
            self._cost[key] += rate * volume

    def _rate(self, cell: Cell) -> Decimal | None:
        day = datetime.fromtimestamp(cell.slot, self._waba.timezone).date()
        fitting = [
            rate
            for rate in self._rates
            if rate.country == cell.country
            and rate.category.lower() == cell.category
            and rate.effective_from <= day
            and rate.tier in {None, cell.tier}
        ]
        if not fitting:
            return None
        return max(fitting, key=lambda rate: (rate.effective_from, rate.tier is not None)).rate

    def listed(self) -> list[dict[str, object]]:
        """The points by time; `cost` is absent where a rate is missing or wasn't asked for."""
        names = ("start", "end", "country", "phone_number", "pricing_category", "pricing_type")
        listed = []
        for key in sorted(self._volume, key=str):
            point: dict[str, object] = dict(zip((*names, "tier"), key, strict=True))
            point = {name: value for name, value in point.items() if value is not None}
            if "VOLUME" in self._query.metric_types:
                point["volume"] = self._volume[key]
            if "COST" in self._query.metric_types and key not in self._unpriced and self._rates:
                # A JSON number with all its decimals, without going through a float.
                point["cost"] = orjson.Fragment(format(self._cost[key], "f"))
            listed.append(point)
        return listed


def period(slot: int, granularity: str, zone: ZoneInfo) -> tuple[int, int]:
    """Start and end of the half hour, local day or local month that holds the slot."""
    if granularity == "HALF_HOUR":
        start = slot - slot % 1800
        return start, start + 1800
    local = datetime.fromtimestamp(slot, zone)
    first = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if granularity == "DAILY":
        following = first.date() + timedelta(days=1)
    else:
        first = first.replace(day=1)
        following = (first.date() + timedelta(days=32)).replace(day=1)
    midnight = datetime(following.year, following.month, following.day, tzinfo=zone)
    return _unix(first), _unix(midnight)


def tier_text(charged_before: int, bounds: Sequence[int]) -> str:
    """`lower:upper` of the tier that the next message falls in, or `lower:MAX`."""
    lower = max((bound for bound in bounds if bound <= charged_before), default=0)
    upper = min((bound for bound in bounds if bound > charged_before), default=None)
    return f"{lower + 1 if lower else 0}:{'MAX' if upper is None else upper}"


def category_name(category: str) -> str:
    """A pricing category as analytics spells it: capitals, underscores."""
    return category.upper().replace("-", "_")


def _unix(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp())


def _admits(allowed: frozenset[str], value: str) -> bool:
    return not allowed or value in allowed


def _array(parts: Mapping[str, str], name: str) -> frozenset[str]:
    inside: Sequence[str] = parts.get(name, "").strip().strip("[]").split(",")
    return frozenset(item.strip("\"' ") for item in inside if item.strip("\"' "))
