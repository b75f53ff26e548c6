"""/v1/suppressions."""

from typing import Annotated

from fastapi import Query, Request, Response

from api.bulk import BulkResult
from api.deps import ConsentsReader, ConsentsWriter, Cursor, Limit
from api.dto import Id, Name, Page
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter
from api.suppressions import service
from api.suppressions.schemas import (
    AddSuppression,
    AddSuppressions,
    LiftSuppression,
    Suppression,
    SuppressionScope,
)

router = SliceRouter(prefix="/v1/suppressions", tags=["suppressions"])


@router.post(
    "",
    operation_id="add_suppression",
    summary="Leave a person alone",
    status_code=201,
    responses=problems("not-found", "conflict", "invalid-phone"),
)
async def add_suppression(
    caller: ConsentsWriter,
    response: Response,
    wanted: AddSuppression,
    idempotency_key: OptionalKey = None,
) -> Suppression:
    """Nothing is sent to the person any more: also nothing that is queued.

    Where something keeps the person out already, what lasts longer holds.
    """
    return await once(
        caller,
        idempotency_key,
        "add_suppression",
        wanted,
        response,
        lambda connection: service.add(connection, caller, wanted),
        model=Suppression,
    )


@router.post(
    "/bulk",
    operation_id="add_suppressions",
    summary="Leave many people alone",
    responses=problems("conflict", "invalid-phone"),
)
async def add_suppressions(
    caller: ConsentsWriter,
    response: Response,
    wanted: AddSuppressions,
    idempotency_key: OptionalKey = None,
) -> BulkResult:
    """Up to 1,000 people, each taken or refused by itself: look at every item of the answer."""
    return await once(
        caller,
        idempotency_key,
        "add_suppressions",
        wanted,
        response,
        lambda connection: service.add_many(connection, caller, wanted),
        model=BulkResult,
    )


@router.get("", operation_id="list_suppressions", summary="Who is left alone")
async def list_suppressions(
    caller: ConsentsReader,
    request: Request,
    made: MadeWhen,
    scope: Annotated[
        SuppressionScope | None, Query(description="`nothing`: whose time is over.")
    ] = None,
    reason: Annotated[Name | None, Query(description="One reason, as answers name it.")] = None,
    error_code: Annotated[
        int | None, Query(ge=0, le=10_000_000, description="One code of Meta's: 131026 ...")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[Suppression]:
    """People whom something keeps out, or kept, the latest first: your words and Meta's answers."""
    filters = service.Filters(
        scope=scope,
        reason=reason,
        error_code=error_code,
        made=made,
    )
    return await service.list_suppressions(caller, caller.pager(request, cursor, limit), filters)


@router.get(
    "/{contact_id}",
    operation_id="get_suppression",
    summary="Why a person is left alone",
    responses=problems("not-found"),
)
async def get_suppression(caller: ConsentsReader, contact_id: Id) -> Suppression:
    """What keeps one person out, or did."""
    return await service.get(caller, contact_id)


@router.post(
    "/{contact_id}/lift",
    operation_id="lift_suppression",
    summary="Write to a person again",
    responses=problems("not-found"),
)
async def lift_suppression(
    caller: ConsentsWriter, contact_id: Id, wanted: LiftSuppression
) -> Suppression:
    """Ends all that keeps the person out, and answers what it was; consent is as it was before.

    Who did it and why stands in the audit chain.
    """
    return await service.lift(caller, contact_id, wanted)
