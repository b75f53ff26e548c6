"""/v1/webhook-endpoints."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.deps import Cursor, Limit, WebhooksManager, WebhooksReader
from api.dto import Id, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter
from api.webhook_endpoints import service
from api.webhook_endpoints.schemas import (
    ChangeEndpoint,
    CreateEndpoint,
    Delivery,
    DeliveryState,
    DeliverySummary,
    Endpoint,
    EndpointState,
    EventId,
    EventType,
    NewEndpoint,
    Replay,
    Replayed,
    RotateSecret,
    SendTest,
    TestSent,
)

router = SliceRouter(prefix="/v1/webhook-endpoints", tags=["webhook-endpoints"])
_KNOWN = problems("not-found")


@router.post(
    "",
    operation_id="create_webhook_endpoint",
    summary="Create a webhook endpoint",
    status_code=201,
    responses=problems("conflict", "forbidden-destination"),
)
async def create_endpoint(caller: WebhooksManager, wanted: CreateEndpoint) -> NewEndpoint:
    """Its secret is in this answer and nowhere else. Events from now on are told to it."""
    return await service.create_endpoint(caller, wanted)


@router.get("", operation_id="list_webhook_endpoints", summary="Your webhook endpoints")
async def list_endpoints(
    caller: WebhooksReader,
    request: Request,
    made: MadeWhen,
    state: Annotated[EndpointState | None, Query(description="Only those on, or off.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Endpoint]:
    """Endpoints, newest first."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_endpoints(caller, pager, made=made, state=state)


@router.get(
    "/{endpoint_id}",
    operation_id="get_webhook_endpoint",
    summary="One webhook endpoint",
    responses=_KNOWN,
)
async def get_endpoint(caller: WebhooksReader, endpoint_id: Id) -> Endpoint:
    """An endpoint, how it does, and why it is switched off if it is."""
    return caller.conditions.answer(await service.get_endpoint(caller, endpoint_id))


@router.patch(
    "/{endpoint_id}",
    operation_id="change_webhook_endpoint",
    summary="Change a webhook endpoint",
    responses=problems("not-found", "forbidden-destination"),
)
async def change_endpoint(
    caller: WebhooksManager, endpoint_id: Id, wanted: ChangeEndpoint
) -> Endpoint:
    """Fields that are absent stay. What happens while it is off is not told later."""
    changed = await service.change_endpoint(caller, endpoint_id, wanted)
    return caller.conditions.answer(changed)


@router.delete(
    "/{endpoint_id}",
    operation_id="delete_webhook_endpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses=_KNOWN,
)
async def delete_endpoint(caller: WebhooksManager, endpoint_id: Id) -> Response:
    """Nothing more is sent to it, nor replayed."""
    await service.delete_endpoint(caller, endpoint_id)
    return Response(status_code=204)


@router.post(
    "/{endpoint_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Get a new secret",
    responses=_KNOWN,
)
async def rotate_secret(
    caller: WebhooksManager, endpoint_id: Id, wanted: RotateSecret | None = None
) -> NewEndpoint:
    """Both secrets sign until the overlap ends (24 hours by default): verify with either."""
    overlap = (wanted or RotateSecret()).overlap_hours
    return await service.rotate_secret(caller, endpoint_id, overlap)


@router.post(
    "/{endpoint_id}/test",
    operation_id="test_webhook_endpoint",
    summary="Send a test event",
    status_code=201,
    responses=problems("not-found", "conflict"),
)
async def send_test(
    caller: WebhooksManager,
    endpoint_id: Id,
    response: Response,
    idempotency_key: OptionalKey = None,
) -> TestSent:
    """A `webhook.test`, sent like any other event."""
    return await once(
        caller,
        idempotency_key,
        f"test_webhook_endpoint/{endpoint_id}",
        SendTest(),
        response,
        lambda connection: service.send_test(connection, caller, endpoint_id),
        model=TestSent,
    )


@router.get(
    "/{endpoint_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="What was sent to an endpoint",
    responses=_KNOWN,
)
async def list_deliveries(
    caller: WebhooksReader,
    request: Request,
    endpoint_id: Id,
    made: MadeWhen,
    state: DeliveryState | None = None,
    event_type: EventType | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliverySummary]:
    """Deliveries, the newest event first; kept for two weeks."""
    return await service.list_deliveries(
        caller,
        endpoint_id,
        caller.pager(request, cursor, limit),
        state=state,
        event_type=event_type,
        made=made,
    )


@router.get(
    "/{endpoint_id}/deliveries/{event_id}",
    operation_id="get_webhook_delivery",
    summary="One delivery and its attempts",
    responses=_KNOWN,
)
async def get_delivery(caller: WebhooksReader, endpoint_id: Id, event_id: EventId) -> Delivery:
    """The body that is sent, and what each attempt met. Takes the `webhook-id` too."""
    return await service.get_delivery(caller, endpoint_id, event_id)


@router.post(
    "/{endpoint_id}/deliveries/{event_id}/replay",
    operation_id="replay_webhook_delivery",
    summary="Send one event again",
    responses=problems("not-found", "conflict"),
)
async def replay_delivery(caller: WebhooksManager, endpoint_id: Id, event_id: EventId) -> Delivery:
    """With the same `webhook-id`. Does nothing when it waits to be sent anyway."""
    async with caller.transaction() as connection:
        return await service.replay_delivery(connection, caller, endpoint_id, event_id)


@router.post(
    "/{endpoint_id}/replay",
    operation_id="replay_webhook_deliveries",
    summary="Send the events of some time again",
    status_code=202,
    responses=problems("not-found", "conflict"),
)
async def replay(
    caller: WebhooksManager,
    endpoint_id: Id,
    wanted: Replay,
    response: Response,
    idempotency_key: OptionalKey = None,
) -> Replayed:
    """Up to 10,000 finished deliveries, by default the failed ones, oldest first.

    With `continue_after` in the answer there may be more: repeat the request with it as `after`.
    """
    return await once(
        caller,
        idempotency_key,
        f"replay_webhook_deliveries/{endpoint_id}",
        wanted,
        response,
        lambda connection: service.replay(connection, caller, endpoint_id, wanted),
        model=Replayed,
    )
