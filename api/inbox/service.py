"""Reads what people wrote, newest first."""

from dataclasses import dataclass
from uuid import UUID

from api.deps import Caller
from api.dto import Page
from api.inbox.schemas import InboundMessage
from api.list_filters import Made
from api.pagination import Pager, time_and_id
from api.rows import fetch_all, fetch_known
from core.store.queries import load

_sql = load("inbound")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which messages: of a number, of a person, of a time (half-open)."""

    phone_number_id: str | None
    contact_id: UUID | None
    made: Made


async def list_inbox(caller: Caller, pager: Pager, wanted: Wanted) -> Page[InboundMessage]:
    """One page of the inbox."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            InboundMessage,
            _sql.list_inbox,
            {
                "tenant_id": caller.tenant_id,
                "phone_number_id": wanted.phone_number_id,
                "contact_id": wanted.contact_id,
                **wanted.made.parameters(),
                "limit": pager.fetch,
                **pager.after_time_and_id(),
            },
        )
    return pager.page(rows, lambda row: time_and_id(row.occurred_at, row.inbound_id))


async def get_inbound(caller: Caller, inbound_id: UUID) -> InboundMessage:
    """One message. Raises NotFound."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection,
            InboundMessage,
            _sql.get_inbound,
            {"tenant_id": caller.tenant_id, "inbound_id": inbound_id},
            what="inbound message",
        )
