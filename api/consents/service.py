"""Appends to the ledger; reads one person's part of it."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from api.consents.schemas import (
    Consent,
    ConsentAudit,
    ConsentKeyword,
    ConsentKeywords,
    ConsentProof,
    ConsentState,
    ContactConsents,
    OptOutAnswer,
    ProvenConsent,
    PutConsentKeyword,
    PutConsentKeywords,
    PutOptOutAnswer,
    RecordConsent,
    RecordedConsent,
)
from api.deps import Caller
from api.dto import Answer
from api.list_filters import Made
from api.pagination import Pager
from api.problems import Problem
from api.rows import execute, fetch_all, fetch_known
from core.domain.consent import OPT_OUT_ANSWERS, fold_keyword
from core.domain.consent_proof import FORMAT, chain, digest
from core.errors import InvalidInput
from core.store.consents import Basis, ConsentEntry, record
from core.store.database import Connection
from core.store.queries import load

_sql = load("consents")
_contacts = load("contacts")
_opt_outs = load("opt_outs")
_tenants = load("tenants")
#: Clocks of tenants' machines differ a little from ours.
_AHEAD: Final = timedelta(minutes=5)
_LONGEST_PROOF: Final = 10_000


class _Address(Answer):
    address: str


class _Person(Answer):
    contact_id: UUID
    address: str
    country: str | None
    pseudonym: UUID


async def record_consent(
    connection: Connection, caller: Caller, wanted: RecordConsent
) -> RecordedConsent:
    """Append one entry. Raises InvalidInput for an agreement without text or out of the future."""
    if wanted.action == "granted" and wanted.text_version is None:
        raise InvalidInput(
            "an agreement names the text that was agreed to", pointer="/text_version"
        )
    now = caller.state.clock.now()
    if wanted.occurred_at is not None and wanted.occurred_at > now + _AHEAD:
        raise InvalidInput("it can't have happened in the future", pointer="/occurred_at")
    await _known(connection, caller, wanted.contact_id)
    entry = ConsentEntry(
        contact_id=wanted.contact_id, purpose=wanted.purpose, granted=wanted.action == "granted"
    )
    basis = Basis(
        channel=wanted.channel,
        text_version=wanted.text_version,
        evidence={**wanted.evidence, "recorded_by": caller.subject},
        occurred_at=wanted.occurred_at or now,
    )
    [consent_id] = await record(connection, caller.tenant_id, [entry], basis)
    caller.audit(
        target_kind="contact",
        target_id=wanted.contact_id,
        details={"consent_id": str(consent_id), "purpose": wanted.purpose, "action": wanted.action},
    )
    states = await _states(connection, caller, wanted.contact_id)
    return RecordedConsent(consent_id=consent_id, states=states)


async def list_consents(
    caller: Caller, pager: Pager, contact_id: UUID, made: Made
) -> ContactConsents:
    """One person's ledger, newest first, and what holds now."""
    async with caller.transaction() as connection:
        await _known(connection, caller, contact_id)
        rows = await fetch_all(
            connection,
            Consent,
            _sql.list_consents,
            {
                "tenant_id": caller.tenant_id,
                "contact_id": contact_id,
                "after": pager.after_id,
                **made.parameters(),
                "limit": pager.fetch,
            },
        )
        states = await _states(connection, caller, contact_id)
    page = pager.page(rows, lambda row: row.consent_id)
    return ContactConsents(states=states, items=page.items, next_cursor=page.next_cursor)


class _Proven(Consent):
    audit: ConsentAudit | None


async def prove(caller: Caller, contact_id: UUID) -> ConsentProof:
    """One person's whole ledger, of one instant, chained. Raises Problem when it is too long."""
    place = {"tenant_id": caller.tenant_id, "contact_id": contact_id}
    async with caller.transaction(snapshot=True) as connection:
        person = await fetch_known(
            connection, _Address, _contacts.get_contact_address, place, what="contact"
        )
        rows = await fetch_all(
            connection,
            _Proven,
            _sql.list_proven_consents,
            {**place, "limit": _LONGEST_PROOF + 1},
        )
        states = await _states(connection, caller, contact_id)
    if len(rows) > _LONGEST_PROOF:
        raise Problem("conflict", f"the ledger has more than {_LONGEST_PROOF} entries; page it")
    entries = [row.model_dump(mode="json") for row in rows]
    hashes = chain(str(contact_id), entries)
    proof = ConsentProof(
        format=FORMAT,
        tenant_id=caller.tenant_id,
        contact_id=contact_id,
        address=person.address,
        made_at=caller.state.clock.now(),
        states=states,
        entries=[
            ProvenConsent(**row.model_dump(), hash=hashed)
            for row, hashed in zip(rows, hashes, strict=True)
        ],
        digest="",
    )
    return proof.model_copy(update={"digest": digest(proof.model_dump(mode="json"))})


async def _known(connection: Connection, caller: Caller, contact_id: UUID) -> None:
    await fetch_known(
        connection,
        _Person,
        _contacts.get_contact_identity,
        {"tenant_id": caller.tenant_id, "contact_id": contact_id},
        what="contact",
    )


async def _states(connection: Connection, caller: Caller, contact_id: UUID) -> list[ConsentState]:
    return await fetch_all(
        connection,
        ConsentState,
        _sql.list_consent_states,
        {"tenant_id": caller.tenant_id, "contact_id": contact_id},
    )


class _AnswerText(Answer):
    language: str
    body: str


async def get_opt_out_answer(caller: Caller) -> OptOutAnswer:
    """What the tenant answers; our proposals while it answers nothing."""
    async with caller.transaction() as connection:
        return await _opt_out_answer(connection, caller)


async def put_opt_out_answer(caller: Caller, wanted: PutOptOutAnswer) -> OptOutAnswer:
    """Replace it: without texts of the tenant's by ours, or by nothing."""
    texts = (wanted.texts or OPT_OUT_ANSWERS) if wanted.enabled else {}
    place = {"tenant_id": caller.tenant_id}
    async with caller.transaction() as connection:
        await _hold(connection, caller, "opt_out_answer")
        caller.conditions.check(await _opt_out_answer(connection, caller))
        await execute(connection, _opt_outs.delete_answers, place)
        await execute(
            connection,
            _opt_outs.insert_answers,
            {**place, "languages": list(texts), "bodies": list(texts.values())},
        )
        # Which languages; the words are the tenant's, and say nothing of who did what.
        caller.audit(
            target_kind="opt_out_answer",
            details={"enabled": wanted.enabled, "languages": sorted(texts)},
        )
        return await _opt_out_answer(connection, caller)


async def _hold(connection: Connection, caller: Caller, settings: str) -> None:
    """Two who replace a whole at once do so one after the other."""
    place = {"tenant_id": caller.tenant_id, "settings": settings}
    await connection.execute(_tenants.lock_settings, place)


async def _opt_out_answer(connection: Connection, caller: Caller) -> OptOutAnswer:
    rows = await fetch_all(
        connection, _AnswerText, _opt_outs.list_answers, {"tenant_id": caller.tenant_id}
    )
    texts = {row.language: row.body for row in rows}
    return OptOutAnswer(enabled=bool(texts), texts=texts or dict(OPT_OUT_ANSWERS))


async def list_keywords(caller: Caller) -> ConsentKeywords:
    """The tenant's own words and buttons."""
    async with caller.transaction() as connection:
        return await _keywords(connection, caller)


async def put_keywords(caller: Caller, wanted: PutConsentKeywords) -> ConsentKeywords:
    """Replace them all. Raises InvalidInput for a word that is none, or that is there twice."""
    values = [_compared(at, item) for at, item in enumerate(wanted.items)]
    taken: set[tuple[str, str]] = set()
    for at, (item, value) in enumerate(zip(wanted.items, values, strict=True)):
        if (item.source, value) in taken:
            raise InvalidInput("it is there twice", pointer=f"/items/{at}/value")
        taken.add((item.source, value))
    caller.audit(target_kind="consent_keywords", details={"count": len(values)})
    async with caller.transaction() as connection:
        await _hold(connection, caller, "consent_keywords")
        caller.conditions.check(await _keywords(connection, caller))
        await execute(connection, _sql.delete_keywords, {"tenant_id": caller.tenant_id})
        await execute(
            connection,
            _sql.insert_keywords,
            {
                "tenant_id": caller.tenant_id,
                "sources": [item.source for item in wanted.items],
                "values": values,
                "actions": [item.action for item in wanted.items],
                "writtens": [item.value for item in wanted.items],
            },
        )
        return await _keywords(connection, caller)


def _compared(at: int, item: PutConsentKeyword) -> str:
    """A button's payload as it is, a word as messages are compared with it."""
    if item.source == "button":
        return item.value
    word = fold_keyword(item.value)
    if not word:
        raise InvalidInput("a word has letters or digits, at most 40", pointer=f"/items/{at}/value")
    return word


async def _keywords(connection: Connection, caller: Caller) -> ConsentKeywords:
    rows = await fetch_all(
        connection, ConsentKeyword, _sql.list_keywords, {"tenant_id": caller.tenant_id}
    )
    return ConsentKeywords(items=rows)
