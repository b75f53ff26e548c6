"""Puts the people of a segment together: one named query for each test, joined as sets.

What a person wrote goes into parameters and nowhere else: the text of the statement is made of
core/store/segments.sql, of the words union, intersect and except, and of numbered parameters.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from core.domain.attributes import AttributeType
from core.domain.ids import ListId, TenantId
from core.domain.segments import (
    BadFilter,
    Both,
    Compared,
    ConsentIs,
    Contains,
    Either,
    FieldOneOf,
    Filter,
    Not,
    OneOf,
    OnList,
    Present,
    Suppressed,
    Test,
    Within,
    parse_filter,
)
from core.errors import InvalidInput
from core.store.attributes import list_declared
from core.store.database import Connection
from core.store.queries import load

_SQL = load("segments")
_PARAMETER: Final = re.compile(r"%\(([a-z_]+)\)s")
_UNION: Final = sql.SQL(" union ")
_INTERSECT: Final = sql.SQL(" intersect ")
_EXCEPT: Final = sql.SQL(" except ")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """A query for the ids of the people who are meant, and its parameters."""

    query: sql.Composable
    parameters: Mapping[str, object]

    def under(self, statement: LiteralString) -> sql.Composed:
        """A statement that reads them as `people`."""
        return sql.SQL("with people as (") + self.query + sql.SQL(") ") + sql.SQL(statement)


def compile_filter(found: Filter, tenant_id: TenantId, at: datetime) -> People:
    """The people whom a filter means at an instant; those who are erased are never meant."""
    parts = _Parts(tenant_id, at)
    query = parts.intersect([parts.everybody(), parts.of(found)])
    return People(query=query, parameters=parts.parameters)


async def count_people(connection: Connection, people: People) -> int:
    """How many there are."""
    cursor = await connection.execute(people.under(_SQL.count_people), people.parameters)
    row = await cursor.fetchone()
    return int(str(row[0])) if row else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledPerson:
    """One of the people, without name and address."""

    contact_id: UUID
    country: str | None
    language: str | None
    attributes: dict[str, str]
    created_at: datetime


async def sample_people(
    connection: Connection, people: People, *, limit: int
) -> list[SampledPerson]:
    """A few of them, those who came last."""
    async with connection.cursor(row_factory=class_row(SampledPerson)) as cursor:
        await cursor.execute(
            people.under(_SQL.sample_people), {**people.parameters, "limit": limit}
        )
        return await cursor.fetchall()


async def freeze(
    connection: Connection, *, tenant_id: TenantId, list_id: ListId, at: datetime
) -> None:
    """Put whom a segment means now on the list that stands for it; any other list stays as it is.

    Raises InvalidInput when the filter has lost its meaning: an attribute's type is another now.
    """
    place = {"tenant_id": tenant_id, "list_id": list_id}
    cursor = await connection.execute(_SQL.get_list_filter, place)
    row = await cursor.fetchone()
    if row is None:
        return
    try:
        found = parse_filter(str(row[0]), await list_declared(connection, tenant_id))
    except BadFilter as error:
        raise InvalidInput(f"the segment can't be read any more: {error}") from error
    people = compile_filter(found, tenant_id, at)
    await connection.execute(_SQL.clear_list, place)
    await connection.execute(
        people.under(_SQL.freeze_people), {**people.parameters, "list_id": list_id}
    )


class _Parts:
    """Collects the parameters while a tree becomes a query."""

    def __init__(self, tenant_id: TenantId, at: datetime) -> None:
        self.parameters: dict[str, object] = {"tenant_id": tenant_id, "at": at}
        self._queries = 0

    def of(self, found: Filter) -> sql.Composable:
        """The query for one part of the tree."""
        match found:
            case Both(parts=parts):
                return self.intersect([self.of(part) for part in parts])
            case Either(parts=parts):
                return _joined(_UNION, [self.of(part) for part in parts])
            case Not(part=part):
                return self._without(self.of(part))
            case _:
                return self._test(found)

    def everybody(self) -> sql.Composable:
        """All whom a segment may mean."""
        return self._query("everybody")

    def intersect(self, queries: Sequence[sql.Composable]) -> sql.Composable:
        """Who is in all of them."""
        return _joined(_INTERSECT, queries)

    def _without(self, query: sql.Composable) -> sql.Composable:
        return _joined(_EXCEPT, [self.everybody(), query])

    def _test(self, test: Test) -> sql.Composable:
        match test:
            case Present(attribute=attribute):
                return self._query("present", attribute=attribute)
            case OneOf(attribute=attribute, values=values):
                return self._query("one_of", attribute=attribute, values=list(values))
            case Contains(attribute=attribute, value=value):
                return self._query("contains", attribute=attribute, value=value)
            case Compared(attribute=attribute, type=kind, order=order, value=value):
                name = "compared_number" if kind is AttributeType.NUMBER else "compared_date"
                return self._query(name, attribute=attribute, order=order.value, value=value)
            case FieldOneOf(field=field, values=values):
                return self._query(f"{field}_one_of", values=list(values))
            case _:
                return self._relation(test)

    def _relation(self, test: OnList | ConsentIs | Within | Suppressed) -> sql.Composable:
        match test:
            case OnList(list_id=list_id):
                return self._query("on_list", list_id=list_id)
            case ConsentIs(purpose=purpose, granted=None):
                return self._without(self._query("consent_known", purpose=purpose))
            case ConsentIs(purpose=purpose, granted=granted):
                return self._query("consent_is", purpose=purpose, granted=granted)
            case Within(event=event, days=days):
                return self._query(f"{event.value}_within", days=days)
            case Suppressed():
                return self._query("suppressed")

    def _query(self, name: str, **values: object) -> sql.Composable:
        """A named query whose own parameters have got names that no other query's have."""
        self._queries += 1
        own = {key: f"{key}_{self._queries}" for key in values}
        self.parameters |= {own[key]: value for key, value in values.items()}
        text = _PARAMETER.sub(lambda match: f"%({own.get(match[1], match[1])})s", _SQL[name])
        # As literal as the file it comes from: only names of parameters have got a number.
        return sql.SQL(text)


def _joined(how: sql.SQL, queries: Sequence[sql.Composable]) -> sql.Composable:
    return how.join([sql.SQL("(") + query + sql.SQL(")") for query in queries])
