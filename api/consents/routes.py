"""/v1/consents, /v1/contacts/{contact_id}/consents."""

from fastapi import APIRouter, Request, Response

from api.consents import service
from api.consents.schemas import (
    ConsentKeywords,
    ContactConsents,
    PutConsentKeywords,
    RecordConsent,
    RecordedConsent,
)
from api.deps import ConsentsReader, ConsentsWriter, Cursor, Limit
from api.dto import Id
from api.idempotency import OptionalKey, once
from api.openapi import problems

router = APIRouter(prefix="/v1", tags=["consents"])


@router.post(
    "/consents",
    operation_id="record_consent",
    summary="Record a consent or a withdrawal",
    status_code=201,
    responses=problems("not-found", "conflict"),
)
async def record_consent(
    caller: ConsentsWriter,
    response: Response,
    wanted: RecordConsent,
    idempotency_key: OptionalKey = None,
) -> RecordedConsent:
    """Appends to the ledger. A withdrawal acts at once: also on messages that are queued."""
    return await once(
        caller,
        idempotency_key,
        "record_consent",
        wanted,
        response,
        lambda connection: service.record_consent(connection, caller, wanted),
        model=RecordedConsent,
    )


@router.get(
    "/contacts/{contact_id}/consents",
    operation_id="list_consents",
    summary="A person's consents",
    responses=problems("not-found"),
)
async def list_consents(
    caller: ConsentsReader,
    request: Request,
    contact_id: Id,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ContactConsents:
    """The person's ledger, newest first, and what holds now for each purpose."""
    return await service.list_consents(caller, caller.pager(request, cursor, limit), contact_id)


@router.get(
    "/consent-keywords", operation_id="list_consent_keywords", summary="Your words of consent"
)
async def list_consent_keywords(caller: ConsentsReader) -> ConsentKeywords:
    """Words and buttons by which people withdraw and agree, beside our own."""
    return await service.list_keywords(caller)


@router.put(
    "/consent-keywords", operation_id="put_consent_keywords", summary="Set your words of consent"
)
async def put_consent_keywords(
    caller: ConsentsWriter, wanted: PutConsentKeywords
) -> ConsentKeywords:
    """Replaces them all; holds from the next message on. Yours outweigh ours."""
    return await service.put_keywords(caller, wanted)
