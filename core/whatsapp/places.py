"""Where in a webhook an update stands and whose it is: what every reader of a part is given."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from core.domain.ids import PhoneNumberId, WabaId
from core.whatsapp.json_values import Json, Malformed
from core.whatsapp.updates import BadUpdate, UnknownUpdate, Update


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an update stands; `occurred_at` is the entry's time, there for templates, accounts.

    `person` is the one in `contacts`, where a preference may name nobody itself.
    """

    path: str
    field: str = ""
    waba_id: WabaId | None = None
    phone_number_id: PhoneNumberId | None = None
    occurred_at: datetime | None = None
    person: Json | None = None

    def at(self, step: str) -> "Place":
        """One step further down."""
        return replace(self, path=f"{self.path}/{step}")

    @property
    def waba(self) -> WabaId:
        """The account. Raises Malformed when the entry names none."""
        if self.waba_id is None:
            raise Malformed("entry.id is missing or not an id")
        return self.waba_id

    @property
    def number(self) -> PhoneNumberId:
        """The business's number. Raises Malformed when the value names none."""
        if self.phone_number_id is None:
            raise Malformed("metadata.phone_number_id is missing or not an id")
        return self.phone_number_id


Reader = Callable[[Json, Place], Update]
"""Reads one item as one update; raises Malformed when it breaks the documented shape."""


def unknown(place: Place, what: str) -> UnknownUpdate:
    """Well formed, but nothing this version knows."""
    return UnknownUpdate(
        position=0,
        waba_id=place.waba_id,
        phone_number_id=place.phone_number_id,
        field=place.field,
        what=what,
        occurred_at=place.occurred_at,
    )


def bad(place: Place, error: Malformed) -> BadUpdate:
    """Not what Meta documents."""
    return BadUpdate(
        position=0,
        path=place.path,
        reason=str(error),
        field=place.field,
        waba_id=place.waba_id,
        phone_number_id=place.phone_number_id,
    )
