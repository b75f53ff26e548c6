"""What messages cost at Meta's prices, from the least to the most: plans and quotes ask here. Pure.

Meta's policies of the day say which messages are charged at all: inside an open service window
utility was free until 2026-09-30 and is charged since, marketing always was; inside a free entry
point (72 hours from our answer to an advertisement's message) nothing is charged, whatever the
category. A window that is open when the plan is made may have closed when the message is delivered,
so a message that would be free inside it costs nothing at the least and the regular rate at the
most.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, cast

_SCALE: Final = Decimal("0.000001")
_REGULAR: Final = "regular"
_IN_WINDOW: Final = "free_customer_service"
_IN_FREE_ENTRY: Final = "free_entry_point"
_NOTE: Final = (
    "Meta's list rates of that day of the account, first tier, if every message is delivered. "
    "Messages without a market or a rate are counted as unknown and not part of the sums."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Whether Meta charges a way a message comes about, and at which category's rate."""

    pricing_type: str
    charged: bool
    rate_category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Messages that cost alike."""

    market: str | None
    in_window: bool
    messages: int
    in_free_entry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Meta's prices of one day: rates by market and category, policies by pricing type."""

    currency: str
    category: str
    on_day: date
    rates: Mapping[tuple[str, str], Decimal] = field(default_factory=dict)
    policies: Mapping[str, Policy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    portion: Portion
    pricing_type: str
    rate: Decimal | None
    low: Decimal | None
    high: Decimal | None


def quote(portions: Iterable[Portion], prices: Prices) -> dict[str, object]:
    """The cost as JSON. Money is a decimal as text; what has no price is null, never zero."""
    merged: dict[tuple[str | None, bool, bool], int] = defaultdict(int)
    for portion in portions:
        merged[portion.market, portion.in_window, portion.in_free_entry] += portion.messages
    lines = [
        _line(
            Portion(
                market=market, in_window=in_window, in_free_entry=in_free_entry, messages=messages
            ),
            prices,
        )
        for (market, in_window, in_free_entry), messages in sorted(
            merged.items(), key=lambda item: (item[0][0] or "~", *item[0][1:])
        )
    ]
    high = sum((line.high for line in lines if line.high is not None), Decimal(0))
    low = sum((line.low for line in lines if line.low is not None), Decimal(0))
    return {
        "currency": prices.currency,
        "total": _money(high),
        "total_low": _money(low),
        "total_high": _money(high),
        "unknown_messages": sum(line.portion.messages for line in lines if line.high is None),
        "windows": {
            "service_window": sum(
                line.portion.messages for line in lines if line.portion.in_window
            ),
            "free_entry_point": sum(
                line.portion.messages for line in lines if line.portion.in_free_entry
            ),
        },
        "rate_date": prices.on_day.isoformat(),
        "repriced_at": None,
        "note": _NOTE,
        "lines": [_shown(line, prices.category) for line in lines],
    }


def add_quotes(quotes: Sequence[dict[str, object]]) -> dict[str, object]:
    """One cost of several, of one currency and day; there is at least one."""
    return {
        **quotes[0],
        **{
            name: str(sum((Decimal(str(one[name])) for one in quotes), Decimal(0)))
            for name in ("total", "total_low", "total_high")
        },
        "unknown_messages": sum(int(str(one["unknown_messages"])) for one in quotes),
        "windows": {
            name: sum(cast("dict[str, int]", one["windows"])[name] for one in quotes)
            for name in ("service_window", "free_entry_point")
        },
        "lines": [line for one in quotes for line in cast("list[object]", one["lines"])],
    }


def _line(portion: Portion, prices: Prices) -> _Line:
    regular = prices.policies.get(_REGULAR)
    pricing_type = _pricing_type(portion, prices)
    inside = prices.policies[pricing_type] if pricing_type != _REGULAR else None
    rate = None
    if regular is not None and portion.market is not None:
        rate = prices.rates.get((portion.market, regular.rate_category))
    high = None if rate is None else rate * portion.messages
    is_free = inside is not None and not inside.charged
    return _Line(
        portion=portion,
        pricing_type=pricing_type,
        rate=rate,
        low=high if high is None or not is_free else Decimal(0),
        high=high,
    )


def _pricing_type(portion: Portion, prices: Prices) -> str:
    """Meta's word for how these would be priced now; a free entry point outweighs the window."""
    if portion.in_free_entry and _IN_FREE_ENTRY in prices.policies:
        return _IN_FREE_ENTRY
    if portion.in_window and _IN_WINDOW in prices.policies:
        return _IN_WINDOW
    return _REGULAR


def _shown(line: _Line, category: str) -> dict[str, object]:
    return {
        "market": line.portion.market,
        "category": category,
        "in_window": line.portion.in_window,
        "in_free_entry_point": line.portion.in_free_entry,
        "pricing_type": line.pricing_type,
        "messages": line.portion.messages,
        # Plain: 60 normalised is 6E+1.
        "rate": None if line.rate is None else f"{line.rate.normalize():f}",
        "cost": None if line.high is None else _money(line.high),
        "cost_low": None if line.low is None else _money(line.low),
    }


def _money(amount: Decimal) -> str:
    return str(amount.quantize(_SCALE))
