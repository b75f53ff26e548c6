"""Where the next message ids of campaigns come from: read ahead, for many campaigns at once."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from core.domain.ids import MessageId
from core.store import pacing
from core.store.database import Connection
from core.store.pacing import DueMessage, FeedCursor, RunningCampaign

_LEAST_PAGE: Final = 20
_LARGEST_PAGE: Final = 500
_RESCAN_SECONDS: Final = 1.0
_PASS_SECONDS: Final = 10.0
_ROUNDS: Final = 3


@dataclass(slots=True, kw_only=True)
class Feed:
    """A campaign's due ids in the order (wave, not_before, id), read ahead by a cursor.

    The cursor is only a hint. Every ten seconds, and at the end of the released waves every second,
    it starts again, leaving out what has a ticket: so whatever became due behind it, was throttled,
    or whose ticket was lost with the broker or its worker comes round again. This is the sweeper.
    Starting again is cheap: what was sent has left the index.
    """

    campaign: RunningCampaign
    _ids: deque[MessageId] = field(default_factory=deque)
    _wave: int = 0
    _after: DueMessage | None = None
    _at_end: bool = False
    _started_at: float = float("-inf")

    @property
    def waiting(self) -> int:
        """Ids read ahead."""
        return len(self._ids)

    @property
    def idle(self) -> bool:
        """Whether its last pass found nothing more."""
        return self._at_end and not self._ids

    def cursor(self, *, wanted: int, at: float) -> FeedCursor | None:
        """Where to read on, or None when enough was read or the next pass may not begin yet."""
        age = at - self._started_at
        if age >= _PASS_SECONDS or (self.idle and age >= _RESCAN_SECONDS):
            self._begin(at)
        if self._at_end or len(self._ids) >= wanted:
            return None
        after = self._after
        return FeedCursor(
            campaign=self.campaign,
            wave=self._wave,
            after_due=after.not_before if after else None,
            after_id=after.message_id if after else self.campaign.first_id,
            limit=min(_LARGEST_PAGE, max(_LEAST_PAGE, 2 * wanted)),
        )

    def extend(self, page: list[DueMessage], *, limit: int, ticketed: Callable[..., bool]) -> bool:
        """Take a page of at most `limit` in; whether there is more to read in this pass."""
        self._ids.extend(message.message_id for message in page if not ticketed(message.message_id))
        if len(page) == limit:
            self._after = page[-1]
            return True
        if self._wave < self.campaign.released_wave:
            self._wave, self._after = self._wave + 1, None
            return True
        self._at_end = True
        return False

    def take(self, count: int) -> list[MessageId]:
        """The next ids; they come round again unless somebody claims them."""
        return [self._ids.popleft() for _ in range(min(count, len(self._ids)))]

    def _begin(self, at: float) -> None:
        self._ids.clear()
        self._wave, self._after, self._at_end, self._started_at = 0, None, False, at


async def read_ahead(
    connection: Connection,
    wanted: Iterable[tuple[Feed, int]],
    *,
    ticketed: Callable[..., bool],
    at: float,
) -> None:
    """Bring each feed to the ids wanted of it, as far as they exist: one statement a round.

    Waves that have nothing due take a round each; what three rounds cannot reach, the next tick
    does.
    """
    missing = list(wanted)
    for _ in range(_ROUNDS):
        asked = [(feed, count, feed.cursor(wanted=count, at=at)) for feed, count in missing]
        reading = [(feed, count, cursor) for feed, count, cursor in asked if cursor]
        if not reading:
            return
        pages = await pacing.list_due_of_campaigns(connection, [cursor for _, _, cursor in reading])
        missing = [
            (feed, count)
            for (feed, count, cursor), page in zip(reading, pages, strict=True)
            if feed.extend(page, limit=cursor.limit, ticketed=ticketed)
        ]
