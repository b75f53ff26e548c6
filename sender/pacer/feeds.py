"""Where the next message ids of a campaign come from."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from core.domain.ids import MessageId
from core.store import pacing
from core.store.database import Connection
from core.store.pacing import RunningCampaign

_PAGE: Final = 500
_RESCAN_SECONDS: Final = 1.0


@dataclass(slots=True, kw_only=True)
class Feed:
    """A campaign's queued ids, read ahead by a cursor that is only a hint.

    At the end it starts again from the first id, once no ticket of the campaign is outstanding any
    more: so whatever was throttled, whose ticket was lost with the broker, or whose worker died
    before the claim, comes round again. This is the sweeper.
    """

    campaign: RunningCampaign
    _after: MessageId = field(init=False)
    _ids: deque[MessageId] = field(default_factory=deque)
    _at_end: bool = False
    _scanned_at: float = float("-inf")

    def __post_init__(self) -> None:
        self._after = self.campaign.first_id

    async def prepare(
        self, connection: Connection, *, wanted: int, outstanding: int, at: float
    ) -> int:
        """Read ahead until `wanted` ids are there or the end is reached; returns how many are."""
        if self._at_end and not self._ids and outstanding == 0:
            if at - self._scanned_at < _RESCAN_SECONDS:
                return 0
            self._after, self._at_end = self.campaign.first_id, False
            self._scanned_at = at
        while len(self._ids) < wanted and not self._at_end:
            page = await pacing.list_queued_of_campaign(
                connection, self.campaign, after=self._after, limit=_PAGE
            )
            self._ids.extend(page)
            self._at_end = len(page) < _PAGE
            if page:
                self._after = page[-1]
        return len(self._ids)

    def take(self, count: int) -> list[MessageId]:
        """The next ids; they come round again unless somebody claims them."""
        return [self._ids.popleft() for _ in range(min(count, len(self._ids)))]
