"""/v1/messages."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.deps import Cursor, Limit, MessagesReader, MessagesSender
from api.dto import Id, Page
from api.idempotency import DemandedKey, once, require_key
from api.list_filters import MadeWhen
from api.messages import explain as story
from api.messages import service
from api.messages.schemas import (
    Explanation,
    Message,
    MessageSummary,
    QueuedMessage,
    SendMessage,
    SendMessages,
    SentMessages,
    State,
)
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1/messages", tags=["messages"])


@router.post(
    "",
    operation_id="send_message",
    summary="Send one message",
    status_code=202,
    responses=problems(
        "not-found",
        "consent-missing",
        "opted-out",
        "suppressed",
        "us-marketing",
        "invalid-phone",
        "missing-parameter",
        "template-not-sendable",
    ),
)
async def send_message(
    caller: MessagesSender,
    response: Response,
    wanted: SendMessage,
    idempotency_key: DemandedKey = None,
) -> QueuedMessage:
    """Queues a template or a text for one person; needs an Idempotency-Key.

    Marketing needs the person's consent; nothing is sent to people who have withdrawn. Answered
    with 409 and the reason when the message must not be sent; nothing is written then.
    """
    return await once(
        caller,
        require_key(idempotency_key),
        "send_message",
        wanted,
        response,
        lambda connection: service.queue_message(connection, caller, wanted),
        model=QueuedMessage,
    )


@router.post(
    "/bulk",
    operation_id="send_messages",
    summary="Send many messages",
    status_code=202,
)
async def send_messages(
    caller: MessagesSender,
    response: Response,
    wanted: SendMessages,
    idempotency_key: DemandedKey = None,
) -> SentMessages:
    """Up to 1,000 messages, each queued or refused by itself: look at every item of the answer.

    Needs an Idempotency-Key. What `POST /v1/messages` answers with 404, 409 or 422 is the item's
    `problem`. A body of the wrong shape is refused as a whole. People of a list: make a campaign.
    """
    return await once(
        caller,
        require_key(idempotency_key),
        "send_messages",
        wanted,
        response,
        lambda connection: service.queue_many(connection, caller, wanted),
        model=SentMessages,
    )


@router.get("", operation_id="list_messages", summary="Your messages")
async def list_messages(
    caller: MessagesReader,
    request: Request,
    made: MadeWhen,
    campaign_id: Annotated[Id | None, Query()] = None,
    contact_id: Annotated[Id | None, Query()] = None,
    state: State | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[MessageSummary]:
    """Messages by time, campaign, contact and state, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_messages(
        caller, pager, made=made, campaign_id=campaign_id, contact_id=contact_id, state=state
    )


@router.get(
    "/{message_id}",
    operation_id="get_message",
    summary="One message",
    responses=problems("not-found"),
)
async def get_message(caller: MessagesReader, message_id: Id) -> Message:
    """A message with its content and its instants."""
    return await service.get_message(caller, message_id)


@router.get(
    "/{message_id}/explain",
    operation_id="explain_message",
    summary="The story of a message",
    responses=problems("not-found"),
)
async def explain_message(caller: MessagesReader, message_id: Id) -> Explanation:
    """Snapshot, template version, consent, attempts, Meta's answers and reports, pricing."""
    return await story.explain(caller, message_id)
