"""Reads a contact file in batches and folds the rows of one person together."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from api.contacts.csv_rows import BadRow, Row
from api.contacts.import_rows import Columns, PersonRow, RefusedRow, read_person
from core.store.contacts import Person

BATCH_ROWS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One line of the row-level file."""

    row: int
    outcome: str
    column: str | None
    code: str
    advice: str


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


class Reader:
    """Reads batches of a file; lives in a worker thread, one call at a time."""

    def __init__(self, *, rows: Iterator[Row | BadRow], columns: Columns, claimed: bool) -> None:
        self._rows = rows
        self._columns = columns
        self._claimed = claimed
        #: Match key -> whether the person's first row was in Brazil's old form.
        self._seen: dict[str, bool] = {}
        self.region = ""

    def next_batch(self) -> Batch | None:
        """The next rows, people of the batch folded together; None at the end of the file."""
        batch = Batch()
        for row in islice(self._rows, BATCH_ROWS):
            batch.counts["read"] += 1
            read = read_person(row, self._columns, self.region, consent_is_claimed=self._claimed)
            if isinstance(read, RefusedRow):
                self._refuse(batch, read)
            else:
                self._take(batch, read)
        return batch if batch.counts["read"] else None

    def _refuse(self, batch: Batch, row: RefusedRow) -> None:
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

    def _take(self, batch: Batch, row: PersonRow) -> None:
        key = row.person.phone.match_key
        if key not in self._seen:
            self._seen[key] = row.old_form
            batch.people[key] = Taken(
                row=row.number,
                person=row.person,
                repeated=False,
                consents=row.consents,
                opted_out=row.opted_out,
            )
            return
        batch.counts["merged"] += 1
        batch.reports.append(_merged(row, joined=self._seen[key] != row.old_form))
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
