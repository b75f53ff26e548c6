"""Many things in one request: each item is done or refused by itself, in one transaction.

What the shape of the body forbids refuses the whole request; what an item means is its own affair.
"""

from collections.abc import Mapping
from typing import Final, Literal
from uuid import UUID

from pydantic import Field

from api.dto import Answer

MOST_ITEMS: Final = 1_000


class ItemProblem(Answer):
    """Why an item was refused, as a problem of its own request would say it."""

    code: str = Field(description="As in `/problems`.", examples=["invalid-phone"])
    detail: str
    pointer: str | None = Field(
        description="The member of the request that it is about (RFC 6901).",
        examples=["/items/3/phone"],
    )


class ItemResult(Answer):
    """What became of one item."""

    index: int = Field(description="Its place in the request, from 0.")
    status: Literal["done", "refused"]
    contact_id: UUID | None = Field(description="Whom it was about; null when it was refused.")
    created: bool = Field(description="Whether the person is new.")
    problem: ItemProblem | None


class BulkResult(Answer):
    """What became of every item, in the order of the request."""

    done: int
    refused: int
    items: list[ItemResult]


def item_problem(index: int, code: str, detail: str, member: str | None = None) -> ItemProblem:
    """Why an item was refused; `member` is the part of it that it is about."""
    pointer = f"/items/{index}" + (f"/{member.lstrip('/')}" if member else "")
    return ItemProblem(code=code, detail=detail, pointer=pointer)


class Results:
    """Gathers what becomes of each item."""

    def __init__(self) -> None:
        self._items: dict[int, ItemResult] = {}

    def done(self, index: int, contact_id: UUID, *, created: bool = False) -> None:
        """An item was carried out."""
        self._items[index] = ItemResult(
            index=index, status="done", contact_id=contact_id, created=created, problem=None
        )

    def refuse(self, index: int, code: str, detail: str, member: str | None = None) -> None:
        """An item was not carried out; `member` is the part of it that it is about."""
        problem = item_problem(index, code, detail, member)
        self._items[index] = ItemResult(
            index=index, status="refused", contact_id=None, created=False, problem=problem
        )

    def answer(self) -> BulkResult:
        """All of them, each with its result."""
        items = [self._items[index] for index in sorted(self._items)]
        done = sum(item.status == "done" for item in items)
        return BulkResult(done=done, refused=len(items) - done, items=items)

    def counts(self) -> Mapping[str, int]:
        """For the audit entry."""
        found = self.answer()
        return {"done": found.done, "refused": found.refused}
