"""What the slice of versions gives."""

from datetime import date as day
from datetime import datetime

from pydantic import Field

from api.deprecations import Phase
from api.dto import Answer


class Window(Answer):
    """A rehearsal: the operation answers 410 in this time."""

    starts_at: datetime
    ends_at: datetime


class EndingOperation(Answer):
    """An operation that ends."""

    operation_id: str = Field(description="As in the document.")
    method: str
    path: str
    phase: Phase
    announced_at: datetime
    deprecated_at: datetime
    sunset_at: datetime = Field(description="From then on it answers 410.")
    reason: str
    successor: str | None = Field(description="The address to use instead; null: there is none.")
    brown_outs: list[Window]


class EndingOperations(Answer):
    """Everything that ends; nothing, most of the time."""

    items: list[EndingOperation]


class UseOfADay(Answer):
    """How often one operation was used on one day of UTC."""

    date: day
    uses: int


class UsedOperation(Answer):
    """An operation that ends, and how often your tenant still used it."""

    operation: EndingOperation
    uses: int = Field(description="In all days that were asked for.")
    days: list[UseOfADay] = Field(description="Days with a use, oldest first.")


class UsedOperations(Answer):
    """Your uses of what ends, also of operations that you don't use."""

    items: list[UsedOperation]
