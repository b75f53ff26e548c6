"""Markets: which of Meta's price regions a recipient belongs to, on a given day.

Meta sorts by calling code, not by ISO region: the longest prefix wins (1809 is Rest of Latin
America, 1242 is Other, 1 alone is North America), and prefixes change market on rate days.
Unknown stays unknown: a message without market has no price, and nobody may guess one.
Source: Meta, pricing, list of country calling codes, as read for 2025-07-01 to 2026-10-01.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final

_LONGEST_PREFIX: Final = 7
# US territories that stand on no list Meta has published (read 2026-11): unknown until a row names
# them, for they need not cost what +1 costs.
_ON_NO_LIST: Final = frozenset({"1340", "1670", "1671", "1684"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketRow:
    """One line of the map, valid on days in [valid_from, valid_to); no end when None."""

    calling_prefix: str
    iso: str
    market: str
    valid_from: date
    valid_to: date | None = None

    def holds_on(self, day: date) -> bool:
        """Whether the line is in force on a day of the account's zone."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)


class MarketMap:
    """The dated map from calling prefixes (and ISO countries, for business-scoped ids) to markets.

    Raises ValueError for rows that give one prefix two markets on one day.
    """

    def __init__(self, rows: Iterable[MarketRow]) -> None:
        """Index the rows by prefix and by country."""
        self._by_prefix: dict[str, list[MarketRow]] = defaultdict(list)
        self._by_iso: dict[str, list[MarketRow]] = defaultdict(list)
        for row in rows:
            self._by_prefix[row.calling_prefix].append(row)
            self._by_iso[row.iso].append(row)
        for listed in self._by_prefix.values():
            _refuse_contradictions(listed)

    def market_for(self, address: str, on: date) -> str | None:
        """The market of an E.164 number with `+`, or of a business-scoped user id; None if unknown.

        `on` is the day in the account's zone. A user id tells only a country: where its prefixes
        lie in several markets the answer is None.
        """
        if address.startswith("+"):
            return self._by_number(address[1:], on)
        country, dot, _ = address.partition(".")
        return self._by_country(country, on) if dot and len(country) == 2 else None

    def market_of_country(self, iso: str, on: date) -> str | None:
        """The market of an ISO country; None where it is unknown or its prefixes lie in several."""
        return self._by_country(iso, on)

    def country_for(self, address: str, on: date) -> str | None:
        """The ISO country of the address when its prefix belongs to one alone; None otherwise."""
        if not address.startswith("+"):
            country, dot, _ = address.partition(".")
            return country if dot and country in self._by_iso else None
        countries = {row.iso for row in self._rows_of_number(address[1:], on)}
        return countries.pop() if len(countries) == 1 else None

    def _by_number(self, digits: str, on: date) -> str | None:
        return next((row.market for row in self._rows_of_number(digits, on)), None)

    def _rows_of_number(self, digits: str, on: date) -> list[MarketRow]:
        """The rows of the longest prefix that has any on that day."""
        for length in range(min(_LONGEST_PREFIX, len(digits)), 0, -1):
            rows = self._by_prefix.get(digits[:length], ())
            holding = [row for row in rows if row.holds_on(on)]
            if holding or digits[:length] in _ON_NO_LIST:
                return holding
        return []

    def _by_country(self, iso: str, on: date) -> str | None:
        markets = {row.market for row in self._by_iso.get(iso, ()) if row.holds_on(on)}
        return markets.pop() if len(markets) == 1 else None


def _refuse_contradictions(rows: list[MarketRow]) -> None:
    """Several countries may share a prefix (1 is US and CA), but not several markets."""
    for index, first in enumerate(rows):
        for second in rows[index + 1 :]:
            later_start = max(first.valid_from, second.valid_from)
            overlap = first.holds_on(later_start) and second.holds_on(later_start)
            if overlap and first.market != second.market:
                raise ValueError(f"prefix {first.calling_prefix} has two markets on one day")
