"""The filters that every list takes by the same names: `created_from`, `created_to`, `state`.

The values of `state` are each list's own, from its allow-list; the two instants are these.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query

from api.dto import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """When the things of a list were made: `created_from <= created_at < created_to`."""

    created_from: datetime | None
    created_to: datetime | None

    def parameters(self) -> dict[str, object]:
        """As parameters of a named query."""
        return {"created_from": self.created_from, "created_to": self.created_to}


def _made(
    created_from: Annotated[
        Instant | None, Query(description="Only what was made at or after this instant.")
    ] = None,
    created_to: Annotated[
        Instant | None, Query(description="Only what was made before this instant.")
    ] = None,
) -> Made:
    return Made(created_from=created_from, created_to=created_to)


MadeWhen = Annotated[Made, Depends(_made)]
