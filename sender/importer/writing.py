"""Writes one batch of a contact file: people, their list, what they said about consent."""

from collections import Counter
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from core.contact_files.batches import Batch, Taken
from core.domain.ids import TenantId
from core.store.consents import Basis, ConsentEntry, granted_states, record
from core.store.contacts import SavedPerson, add_members, save_people
from core.store.database import Connection
from core.store.imports import Report

_PURPOSE: Final = "marketing"


async def write_batch(
    connection: Connection,
    tenant_id: TenantId,
    batch: Batch,
    *,
    list_id: UUID | None,
    basis: Basis | None,
) -> tuple[Counter[str], list[Report]]:
    """Write the batch; returns its counts and all lines of the row-level file.

    Call in the tenant's transaction. Raises psycopg's UniqueViolation when somebody else makes one
    of the people at this moment; the transaction is then to be tried again.
    """
    taken = list(batch.people.values())
    saved = await save_people(connection, tenant_id, [one.person for one in taken])
    if list_id is not None:
        await add_members(connection, tenant_id, list_id, [one.contact_id for one in saved])
    kept = await _write_consents(connection, tenant_id, taken, saved, basis)
    return batch.counts + _outcomes(taken, saved), batch.reports + kept


def _outcomes(taken: Sequence[Taken], saved: Sequence[SavedPerson]) -> Counter[str]:
    return Counter(
        "created" if person.created else "updated" if person.changed else "unchanged"
        for one, person in zip(taken, saved, strict=True)
        if not one.repeated
    )


async def _write_consents(
    connection: Connection,
    tenant_id: TenantId,
    taken: Sequence[Taken],
    saved: Sequence[SavedPerson],
    basis: Basis | None,
) -> list[Report]:
    """Opt-outs always; claimed consents only of people who never withdrew.

    A file can't undo what a person said: who has withdrawn stays so, and the row gets a warning.
    """
    speaking = [
        (one, person.contact_id)
        for one, person in zip(taken, saved, strict=True)
        if one.opted_out or one.consents
    ]
    states = await granted_states(
        connection, tenant_id, _PURPOSE, [contact_id for _, contact_id in speaking]
    )
    withdrawn = [
        ConsentEntry(contact_id=contact_id, purpose=_PURPOSE, granted=False)
        for one, contact_id in speaking
        if one.opted_out and states.get(contact_id) is not False
    ]
    claimed = [
        ConsentEntry(contact_id=contact_id, purpose=_PURPOSE, granted=True)
        for one, contact_id in speaking
        if not one.opted_out and contact_id not in states
    ]
    import_basis = Basis(channel="import", text_version=None, evidence={"column": "opted_out"})
    await record(connection, tenant_id, withdrawn, import_basis)
    if basis is not None:
        await record(connection, tenant_id, claimed, basis)
    return [
        Report(
            row=one.row,
            outcome="warning",
            column=None,
            code="opt_out_kept",
            advice="The person has withdrawn before; a file can't undo that.",
        )
        for one, contact_id in speaking
        if not one.opted_out and states.get(contact_id) is False
    ]
