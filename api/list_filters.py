"""The filters that every list takes by the same names: `created_from`, `created_to`, `state`.

The values of `state` are each list's own, from its allow-list; the two instants are these. They ask
about the instant that the items themselves show: most call it `created_at`; `OTHER_TIMES` names the
rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query

from api.dto import Instant
from core.domain.ids import floor_id

#: What the two instants ask about where the items of a list have no `created_at`, by operation.
OTHER_TIMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "list_audit_entries": "at",
        "list_campaign_redrives": "requested_at",
        "list_consents": "recorded_at",
        "list_exports": "requested_at",
        "list_inbox": "occurred_at",
        "list_series_occurrences": "occurs_at",
        "list_suppressions": "suppressed_at",
    }
)
#: An id and the time of its row come from two clocks: API's and database's, or begin and end of
#: a transaction. None of ours lasts so long.
_APART: Final = timedelta(hours=1)
_FIRST_INSTANT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_INSTANT: Final = datetime(9999, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """When the things of a list were made: `created_from <= created_at < created_to`."""

    created_from: datetime | None
    created_to: datetime | None

    def parameters(self) -> dict[str, object]:
        """As parameters of a named query."""
        return {"created_from": self.created_from, "created_to": self.created_to}

    def near_ids(self) -> dict[str, object]:
        """`parameters`, and between which ids (`first_id`, `end_id`) rows of that time lie.

        For lists that grow without bound and are kept by UUIDs of version 7: the ids choose
        partitions and a stretch of the key, the instants decide.
        """
        start, end = self.created_from, self.created_to
        return {
            **self.parameters(),
            "first_id": _first_id(start and _within(start) - _APART),
            "end_id": _first_id(_LAST_INSTANT if end is None else _within(end) + _APART),
        }

    def ids(self) -> dict[str, object]:
        """`first_id` and `end_id` of what has no other time than its id, to the millisecond."""
        end = _LAST_INSTANT if self.created_to is None else self.created_to
        return {"first_id": _first_id(self.created_from), "end_id": _first_id(end)}


def _within(instant: datetime) -> datetime:
    """The instant, or the nearest at which an hour before and after it can be told."""
    return min(max(instant, _FIRST_INSTANT + _APART), _LAST_INSTANT - _APART)


def _first_id(instant: datetime | None) -> UUID:
    """The smallest id that isn't made before an instant; null: the smallest of all."""
    start = _FIRST_INSTANT if instant is None else min(max(instant, _FIRST_INSTANT), _LAST_INSTANT)
    return floor_id(start + _MILLISECOND - _MICROSECOND)


async def _made(
    created_from: Annotated[
        Instant | None, Query(description="Only what was made at or after this instant.")
    ] = None,
    created_to: Annotated[
        Instant | None, Query(description="Only what was made before this instant.")
    ] = None,
) -> Made:
    return Made(created_from=created_from, created_to=created_to)


MadeWhen = Annotated[Made, Depends(_made)]
