"""/v1/consents, /v1/contacts/{contact_id}/consents, /v1/consent-keywords, /v1/opt-out-answer."""

from fastapi import Request, Response

from api.consents import service
from api.consents.schemas import (
    ConsentKeywords,
    ConsentProof,
    ContactConsents,
    OptOutAnswer,
    PutConsentKeywords,
    PutOptOutAnswer,
    RecordConsent,
    RecordedConsent,
)
from api.deps import ConsentsReader, ConsentsWriter, Cursor, Limit
from api.dto import Id
from api.idempotency import OptionalKey, once
from api.list_filters import MadeWhen
from api.openapi import problems
from api.routing import SliceRouter

router = SliceRouter(prefix="/v1", tags=["consents"])


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
    made: MadeWhen,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> ContactConsents:
    """The person's ledger, newest first, and what holds now for each purpose."""
    pager = caller.pager(request, cursor, limit)
    return await service.list_consents(caller, pager, contact_id, made)


@router.get(
    "/contacts/{contact_id}/consent-proof",
    operation_id="get_consent_proof",
    summary="The proof of a person's consents",
    responses=problems("not-found", "conflict"),
)
async def get_consent_proof(caller: ConsentsReader, contact_id: Id) -> ConsentProof:
    """The whole ledger with evidence, text versions and audit entries, chained by hashes.

    How to check it: docs/people.md.
    """
    return await service.prove(caller, contact_id)


@router.get(
    "/consent-keywords", operation_id="list_consent_keywords", summary="Your words of consent"
)
async def list_consent_keywords(caller: ConsentsReader) -> ConsentKeywords:
    """Words and buttons by which people withdraw and agree, beside our own."""
    return caller.conditions.answer(await service.list_keywords(caller))


@router.put(
    "/consent-keywords", operation_id="put_consent_keywords", summary="Set your words of consent"
)
async def put_consent_keywords(
    caller: ConsentsWriter, wanted: PutConsentKeywords
) -> ConsentKeywords:
    """Replaces them all; holds from the next message on. Yours outweigh ours."""
    return caller.conditions.answer(await service.put_keywords(caller, wanted))


@router.get(
    "/opt-out-answer",
    operation_id="get_opt_out_answer",
    summary="What is answered to who withdraws",
)
async def get_opt_out_answer(caller: ConsentsReader) -> OptOutAnswer:
    """Whether somebody who withdraws by a word or a button is answered, and with what."""
    return caller.conditions.answer(await service.get_opt_out_answer(caller))


@router.put(
    "/opt-out-answer",
    operation_id="put_opt_out_answer",
    summary="Set what is answered to who withdraws",
)
async def put_opt_out_answer(caller: ConsentsWriter, wanted: PutOptOutAnswer) -> OptOutAnswer:
    """Replaces it; holds from the next withdrawal on. Off unless you turn it on."""
    return caller.conditions.answer(await service.put_opt_out_answer(caller, wanted))
