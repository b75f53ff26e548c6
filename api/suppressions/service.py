"""Adds, lists and lifts suppressions; the plan and the claim ask the same rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api.bulk import BulkResult, Results
from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.pagination import Pager, time_and_id
from api.regions import tenant_region
from api.rows import execute, fetch_all, fetch_known
from api.suppressions.schemas import (
    AddSuppression,
    AddSuppressions,
    LiftSuppression,
    Suppression,
    SuppressionScope,
)
from core.domain.phone import InvalidPhone, PhoneAddress, normalise_phone
from core.errors import InvalidInput, NotFound
from core.store.contacts import Person, SavedPerson, save_people
from core.store.database import Connection
from core.store.queries import load

_sql = load("suppressions")
_people_sql = load("contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which suppressions to list."""

    scope: SuppressionScope | None
    reason: str | None
    error_code: int | None
    made: Made


class _Id(Answer):
    id: UUID


async def add(connection: Connection, caller: Caller, wanted: AddSuppression) -> Suppression:
    """Leave one person alone. Raises InvalidInput, InvalidPhone, NotFound."""
    contact_id = await _person(connection, caller, wanted)
    await _save(connection, caller, [(contact_id, wanted)])
    caller.audit(
        target_kind="contact", target_id=contact_id, details={"reason": wanted.reason.value}
    )
    return await _get(connection, caller, contact_id)


async def list_suppressions(caller: Caller, pager: Pager, filters: Filters) -> Page[Suppression]:
    """Those that fit the filters, the latest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            Suppression,
            _sql.list_suppressions,
            {
                "scope": filters.scope,
                "reason": filters.reason,
                "error_code": filters.error_code,
                **filters.made.parameters(),
                **pager.after_time_and_id(),
                "tenant_id": caller.tenant_id,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: time_and_id(row.suppressed_at, row.contact_id))


async def get(caller: Caller, contact_id: UUID) -> Suppression:
    """One person's."""
    async with caller.transaction() as connection:
        return await _get(connection, caller, contact_id)


async def lift(caller: Caller, contact_id: UUID, wanted: LiftSuppression) -> Suppression:
    """End it; answers what it was."""
    async with caller.transaction() as connection:
        lifted = await fetch_known(
            connection,
            Suppression,
            _sql.lift_suppression,
            {"tenant_id": caller.tenant_id, "contact_id": contact_id},
            what="suppression",
        )
        caller.audit(
            target_kind="contact",
            target_id=contact_id,
            details={"reason": wanted.reason.value, "was": lifted.reason},
        )
    return lifted


async def add_many(connection: Connection, caller: Caller, wanted: AddSuppressions) -> BulkResult:
    """Leave many alone, each as a request of its own would; the second of one is refused."""
    results = Results()
    people = await _people(connection, caller, wanted.items, results)
    await _save(connection, caller, [(one, wanted.items[index]) for index, one in people.items()])
    caller.audit(target_kind="suppressions", details=results.counts())
    return results.answer()


async def _people(
    connection: Connection, caller: Caller, items: Sequence[AddSuppression], results: Results
) -> dict[int, UUID]:
    """Whom the items mean, by their places; those that mean nobody are refused."""
    phones = await _phones(connection, caller, items, results)
    first: dict[str, int] = {}
    people = {}
    for index, phone in phones.items():
        if phone is not None and first.setdefault(phone.match_key, index) == index:
            people[index] = Person(phone=phone)
    saved = await save_people(connection, caller.tenant_id, list(people.values()))
    by_key = {
        person.phone.match_key: one for person, one in zip(people.values(), saved, strict=True)
    }
    ids = [item.contact_id for item in items if item.contact_id is not None]
    wanted = {"tenant_id": caller.tenant_id, "contact_ids": ids}
    known = {
        row.id for row in await fetch_all(connection, _Id, _people_sql.list_known_people, wanted)
    }
    return _told_apart(items, phones, by_key, known, results)


def _told_apart(
    items: Sequence[AddSuppression],
    phones: Mapping[int, PhoneAddress | None],
    by_key: Mapping[str, SavedPerson],
    known: Collection[UUID],
    results: Results,
) -> dict[int, UUID]:
    found: dict[int, UUID] = {}
    first: dict[UUID, int] = {}
    for index, phone in phones.items():
        saved = by_key[phone.match_key] if phone is not None else None
        contact_id = saved.contact_id if saved is not None else items[index].contact_id
        if contact_id is None or (saved is None and contact_id not in known):
            results.refuse(index, "not-found", "there is no such contact", "contact_id")
        elif first.setdefault(contact_id, index) != index:
            results.refuse(index, "conflict", f"the same person as item {first[contact_id]}")
        else:
            found[index] = contact_id
            results.done(index, contact_id, created=saved is not None and saved.created)
    return found


async def _phones(
    connection: Connection, caller: Caller, items: Sequence[AddSuppression], results: Results
) -> dict[int, PhoneAddress | None]:
    """The number of each item that can be meant, by its place; None: it names a contact."""
    region = await tenant_region(connection, caller.tenant_id)
    now = caller.state.clock.now()
    phones: dict[int, PhoneAddress | None] = {}
    for index, item in enumerate(items):
        try:
            _check(item, now)
            phones[index] = normalise_phone(item.phone, region) if item.phone else None
        except InvalidPhone as error:
            results.refuse(index, error.code, error.detail, "phone")
        except InvalidInput as error:
            results.refuse(index, error.code, error.detail, error.pointer)
    return phones


async def _person(connection: Connection, caller: Caller, wanted: AddSuppression) -> UUID:
    _check(wanted, caller.state.clock.now())
    if wanted.phone is not None:
        region = await tenant_region(connection, caller.tenant_id)
        person = Person(phone=normalise_phone(wanted.phone, region))
        [saved] = await save_people(connection, caller.tenant_id, [person])
        return saved.contact_id
    ids = {"tenant_id": caller.tenant_id, "contact_ids": [wanted.contact_id]}
    known = await fetch_all(connection, _Id, _people_sql.list_known_people, ids)
    if not known:
        raise NotFound("there is no such contact")
    return known[0].id


def _check(wanted: AddSuppression, now: datetime) -> None:
    if (wanted.contact_id is None) == (wanted.phone is None):
        raise InvalidInput("name the person by contact_id or by phone", pointer="/contact_id")
    if wanted.until is not None and wanted.until <= now:
        raise InvalidInput("its end is over already", pointer="/until")


async def _save(
    connection: Connection, caller: Caller, people: Sequence[tuple[UUID, AddSuppression]]
) -> None:
    await execute(
        connection,
        _sql.save_suppression,
        {
            "tenant_id": caller.tenant_id,
            "added_by": caller.subject,
            "contact_ids": [contact_id for contact_id, _ in people],
            "reasons": [wanted.reason.value for _, wanted in people],
            "untils": [wanted.until for _, wanted in people],
            "notes": [wanted.note for _, wanted in people],
        },
    )


async def _get(connection: Connection, caller: Caller, contact_id: UUID) -> Suppression:
    return await fetch_known(
        connection,
        Suppression,
        _sql.get_suppression,
        {"tenant_id": caller.tenant_id, "contact_id": contact_id},
        what="suppression",
    )
