"""Reads a contact file in batches and folds the rows of one person together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from core.contact_files.csv_rows import BadRow, Row
from core.contact_files.people import Columns, PersonRow, RefusedRow, read_person
from core.domain.attributes import Attribute
from core.store.contacts import Person
from core.store.imports import Report

BATCH_ROWS: Final = 2_000
"""A transaction of half a second, and the most that a killed planner does twice."""


@dataclass(slots=True)
class Taken:
    """One person of a batch, with what all rows of the batch say about consent."""

    row: int
    person: Person
    repeated: bool
    consents: bool
    opted_out: bool


@dataclass(slots=True)
class Batch:
    """The next rows of a file: people by match key, lines of the row-level file, counts."""

    people: dict[str, Taken] = field(default_factory=dict)
    reports: list[Report] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    #: People whom the file has for the first time: whether that row was in Brazil's old form.
    first_seen: dict[str, bool] = field(default_factory=dict)


def read_people(
    rows: Iterator[Row | BadRow],
    columns: Columns,
    *,
    region: str,
    claimed: bool,
    declared: Mapping[str, Attribute],
    limit: int,
) -> list[PersonRow | RefusedRow]:
    """What the next rows say, `limit` of them at most; empty at the end of the file."""
    return [
        read_person(row, columns, region, consent_is_claimed=claimed, declared=declared)
        for row in islice(rows, limit)
    ]


def match_keys(rows: Sequence[PersonRow | RefusedRow]) -> list[str]:
    """The people that rows are about."""
    return sorted({row.person.phone.match_key for row in rows if isinstance(row, PersonRow)})


def fold(rows: Sequence[PersonRow | RefusedRow], seen: Mapping[str, bool]) -> Batch:
    """The rows of each person together. `seen`: whom earlier batches of the file had, and how."""
    batch = Batch()
    for row in rows:
        batch.counts["read"] += 1
        if isinstance(row, RefusedRow):
            _refuse(batch, row)
        else:
            _take(batch, row, seen)
    return batch


def _refuse(batch: Batch, row: RefusedRow) -> None:
    batch.counts["refused"] += 1
    batch.reports.append(
        Report(
            row=row.number,
            outcome="refused",
            column=row.column,
            code=row.code,
            advice=row.advice,
        )
    )


def _take(batch: Batch, row: PersonRow, seen: Mapping[str, bool]) -> None:
    key = row.person.phone.match_key
    earlier = seen.get(key, batch.first_seen.get(key))
    if earlier is None:
        batch.first_seen[key] = row.old_form
        batch.people[key] = Taken(
            row=row.number,
            person=row.person,
            repeated=False,
            consents=row.consents,
            opted_out=row.opted_out,
        )
        return
    batch.counts["merged"] += 1
    batch.reports.append(_merged(row, joined=earlier != row.old_form))
    taken = batch.people.setdefault(
        key,
        Taken(
            row=row.number,
            person=Person(phone=row.person.phone),
            repeated=True,
            consents=False,
            opted_out=False,
        ),
    )
    taken.consents = taken.consents or row.consents
    taken.opted_out = taken.opted_out or row.opted_out


def _merged(row: PersonRow, *, joined: bool) -> Report:
    code = "ninth_digit_joined" if joined else "duplicate_in_file"
    advice = (
        "The same Brazilian number with and without the ninth digit is one person."
        if joined
        else "This person is in the file already; the first row counts."
    )
    return Report(row=row.number, outcome="merged", column="phone", code=code, advice=advice)
