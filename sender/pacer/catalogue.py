"""Who may send now and how fast: read twice a second, and the housekeeping that goes with it."""

from collections.abc import Callable
from typing import Final

from core.clock import utc_now
from core.domain.ids import CampaignId, PhoneNumberId
from core.store import pacing, portfolios
from core.store.database import Connection
from core.store.pacing import SendingNumber
from core.store.portfolios import PortfolioUsage
from sender.pacer.feeds import Feed
from sender.pacer.scheduling import Bucket, HeadRoom

_CATALOGUE_SECONDS: Final = 0.5
_GRANT_SECONDS: Final = 1.0
_LIMITS_SECONDS: Final = 5.0
_FULL_SECONDS: Final = 60.0
_HOUSE_SECONDS: Final = 60.0
_FORGOTTEN_AT_ONCE: Final = 5_000


class Catalogue:
    """Numbers, campaigns and head-room as last read."""

    def __init__(self, connection: Connection) -> None:
        """`connection` is the leader's; nothing is read yet."""
        self._connection = connection
        self.numbers: dict[PhoneNumberId, SendingNumber] = {}
        self.feeds: dict[CampaignId, Feed] = {}
        self.buckets: dict[PhoneNumberId, Bucket] = {}
        self.head_room: dict[str, HeadRoom] = {}
        self._read_at: dict[str, float] = {}
        self._full_until: dict[str, float] = {}

    async def refresh(self, at: float, *, outstanding: Callable[[PhoneNumberId], int]) -> None:
        """Bring up to date what is due to be read; `outstanding` counts a number's tickets."""
        if self._is_due("grants", _GRANT_SECONDS, at):
            await pacing.end_pauses(self._connection)
            await pacing.raise_grants(self._connection)
        if self._is_due("catalogue", _CATALOGUE_SECONDS, at):
            await self._read_senders()
        if self._is_due("limits", _LIMITS_SECONDS, at):
            await self._measure_portfolios(at, outstanding)
        if self._is_due("house", _HOUSE_SECONDS, at):
            await portfolios.forget_reach(self._connection, limit=_FORGOTTEN_AT_ONCE)

    def refill(self, at: float) -> None:
        """Let every bucket grow."""
        for number in self.numbers.values():
            rate = float(number.granted_per_second)
            bucket = self.buckets.setdefault(
                number.phone_number_id, Bucket(rate=rate, updated_at=at)
            )
            bucket.refill(rate=rate, at=at)

    async def _read_senders(self) -> None:
        numbers = await pacing.list_numbers(self._connection)
        self.numbers = {number.phone_number_id: number for number in numbers}
        running = await pacing.list_running_campaigns(self._connection)
        feeds: dict[CampaignId, Feed] = {}
        for campaign in running:
            feed = self.feeds.get(campaign.campaign_id) or Feed(campaign=campaign)
            # What may change while it runs: the released wave.
            feed.campaign = campaign
            feeds[campaign.campaign_id] = feed
        self.feeds = feeds
        self.buckets = {
            phone_number_id: bucket
            for phone_number_id, bucket in self.buckets.items()
            if phone_number_id in self.numbers
        }

    async def _measure_portfolios(
        self, at: float, outstanding: Callable[[PhoneNumberId], int]
    ) -> None:
        """Count anew, but not those that are full until an instant that is known."""
        full = [name for name, until in self._full_until.items() if until > at]
        measured = await portfolios.list_usage(self._connection, without=full)
        waiting: dict[str, int] = {}
        for number in self.numbers.values():
            count = outstanding(number.phone_number_id)
            waiting[number.portfolio_id] = waiting.get(number.portfolio_id, 0) + count
        known = self.head_room
        self.head_room = {name: known[name] for name in full}
        self._full_until = {name: self._full_until[name] for name in full}
        for usage in measured:
            name = usage.portfolio_id
            room = known.get(name) or HeadRoom(free=0)
            room.free = max(0, usage.free - waiting.get(name, 0))
            self.head_room[name] = room
            self._remember_full(usage, at)

    def _remember_full(self, usage: PortfolioUsage, at: float) -> None:
        if usage.next_free_at is not None:
            rest = (usage.next_free_at - utc_now()).total_seconds()
            # A higher limit may come any time: it is looked for every minute.
            self._full_until[usage.portfolio_id] = at + min(max(0.0, rest), _FULL_SECONDS)

    def _is_due(self, what: str, seconds: float, at: float) -> bool:
        if at - self._read_at.get(what, float("-inf")) < seconds:
            return False
        self._read_at[what] = at
        return True
