"""/v1/inbox."""

from typing import Annotated

from fastapi import Query, Request

from api.deps import Cursor, Limit, MessagesReader
from api.dto import Id, MetaId, Page
from api.inbox import service
from api.inbox.schemas import InboundMessage
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/inbox", tags=["messages"])


@router.get("", operation_id="list_inbox", summary="What people wrote to you")
async def list_inbox(
    caller: MessagesReader,
    request: Request,
    made: MadeWhen,
    phone_number_id: Annotated[MetaId | None, Query()] = None,
    contact_id: Annotated[Id | None, Query()] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[InboundMessage]:
    """Messages of people by number, contact and time, newest first."""
    wanted = service.Wanted(phone_number_id=phone_number_id, contact_id=contact_id, made=made)
    return await service.list_inbox(caller, caller.pager(request, cursor, limit), wanted)


@router.get(
    "/{inbound_id}",
    operation_id="get_inbound_message",
    summary="One message of a person",
    responses=problems("not-found"),
)
async def get_inbound_message(caller: MessagesReader, inbound_id: Id) -> InboundMessage:
    """A message with what it answers and until when free text may answer it."""
    return await service.get_inbound(caller, inbound_id)
