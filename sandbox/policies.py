"""Meta's limits that look at people and accounts: reach of a portfolio, marketing per person,
management calls. All of them are moving windows; time comes in as milliseconds.
"""

from collections import OrderedDict, defaultdict, deque
from typing import Final

from sandbox.clock import DAY_MS, HOUR_MS

TIERS: Final = (250, 2_000, 10_000, 100_000)
"""People a portfolio may reach per moving 24 h, then unlimited (Meta's page, 2026-09-11)."""

_EXEMPT: Final = (
    "AT BE BG CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT JP KR LI LT LU LV MT NL NO PL PT RO SE "
    "SI SK"
)
EXEMPT_FROM_MARKETING_LIMIT: Final = frozenset(_EXEMPT.split(" "))
"""EEA, United Kingdom, Japan, South Korea (Meta's page on per-user limits, 2026-04-29)."""

_STUBBORN: Final = 3
_CALLS_KEPT: Final = 100_000


def tier_name(people: int | None) -> str:
    """A limit as Meta's fields spell it."""
    if people is None:
        return "TIER_UNLIMITED"
    return f"TIER_{people // 1000}K" if people >= 1000 else f"TIER_{people}"


def next_tier(people: int) -> int | None:
    """The limit one step up; None is unlimited."""
    return next((tier for tier in TIERS if tier > people), None)


class Portfolio:
    """A business portfolio: how many unique people its numbers may reach in a moving 24 h.

    People who are reached again move to the end of the window and count once.
    """

    def __init__(self, portfolio_id: str, people_per_day: int | None) -> None:
        self.id = portfolio_id
        self.people_per_day = people_per_day
        self.upgrade_due = False
        self._reached: OrderedDict[str, int] = OrderedDict()

    def admit(self, wa_id: str, now_ms: int) -> bool:
        """Count a person reached outside a service window, or refuse a new one."""
        self.forget_old(now_ms)
        limit = self.people_per_day
        if limit is not None and wa_id not in self._reached and len(self._reached) >= limit:
            return False
        self._reached[wa_id] = now_ms
        self._reached.move_to_end(wa_id)
        return True

    def forget_old(self, now_ms: int) -> None:
        """Drop everybody whose 24 h are over."""
        reached = self._reached
        while reached and next(iter(reached.values())) <= now_ms - DAY_MS:
            reached.popitem(last=False)

    def reached(self) -> int:
        """People that count now."""
        return len(self._reached)

    def deserves_more(self) -> bool:
        """True once half of the limit is used (quality is the caller's question)."""
        limit = self.people_per_day
        return limit is not None and not self.upgrade_due and 2 * len(self._reached) >= limit

    def clear(self) -> None:
        """Forget everybody."""
        self._reached.clear()
        self.upgrade_due = False


class MarketingLimit:
    """How many marketing messages one person gets in a moving 24 h, from all businesses together.

    Three refused tries within the window shut the person off for another 24 h.
    """

    def __init__(self) -> None:
        self._given: dict[str, deque[int]] = {}
        self._refused: defaultdict[str, deque[int]] = defaultdict(deque)
        self._shut_until: dict[str, int] = {}

    def admit(self, wa_id: str, now_ms: int, most: int) -> bool:
        """Count one marketing message, or refuse it (131049 by webhook)."""
        given = self._given.setdefault(wa_id, deque())
        _forget(given, now_ms)
        if self._shut_until.get(wa_id, 0) <= now_ms and len(given) < most:
            given.append(now_ms)
            return True
        refused = self._refused[wa_id]
        _forget(refused, now_ms)
        refused.append(now_ms)
        if len(refused) >= _STUBBORN:
            self._shut_until[wa_id] = now_ms + DAY_MS
        return False

    def clear(self) -> None:
        """Forget everybody."""
        self._given.clear()
        self._refused.clear()
        self._shut_until.clear()


class CallAllowance:
    """Calls per moving hour of one account or of the app."""

    def __init__(self) -> None:
        self._calls: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_CALLS_KEPT))

    def take(self, owner: str, now_ms: int, most: int) -> int:
        """Count a call; 0 when it is allowed, else the minutes until the next one is."""
        calls = self._calls[owner]
        _forget(calls, now_ms, HOUR_MS)
        if len(calls) < most:
            calls.append(now_ms)
            return 0
        free_at = (calls[0] if calls else now_ms) + HOUR_MS
        return max(1, -(-(free_at - now_ms) // 60_000))

    def clear(self) -> None:
        """Forget every call."""
        self._calls.clear()


def _forget(times: deque[int], now_ms: int, window_ms: int = DAY_MS) -> None:
    while times and times[0] <= now_ms - window_ms:
        times.popleft()
