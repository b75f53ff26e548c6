"""Loads named SQL from the .sql file beside a store module.

A file is a sequence of blocks::

    -- claim_messages --
    -- Moves queued messages of one ticket to sending, all checks in one statement.
    update app.messages ...

The description is compulsory. A query that names a tenant table without `tenant_id` carries a line
`-- cross-tenant: why`; tests/architecture holds every query to that.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import LiteralString

FOLDER = Path(__file__).parent
_NAME = re.compile(r"^-- (?P<name>[a-z][a-z0-9_]*) --$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One named query: its SQL (psycopg placeholders) and its one-line description."""

    name: str
    description: str
    sql: LiteralString


class Queries(Mapping[str, LiteralString]):
    """The queries of one file, by attribute or by name; an unknown name raises at once."""

    def __init__(self, noun: str, queries: dict[str, Query]) -> None:
        self._noun = noun
        self._queries = queries

    def __getattr__(self, name: str) -> LiteralString:
        try:
            return self._queries[name].sql
        except KeyError:
            raise AttributeError(f"{self._noun}.sql has no query named {name}") from None

    def __getitem__(self, name: str) -> LiteralString:
        return self._queries[name].sql

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)

    def described(self) -> list[Query]:
        """Every query of the file, in its order."""
        return list(self._queries.values())


@cache
def load(noun: str) -> Queries:
    """The queries of core/store/<noun>.sql. Raises ValueError on a malformed file."""
    text = (FOLDER / f"{noun}.sql").read_text(encoding="utf-8")
    names = list(_NAME.finditer(text))
    queries: dict[str, Query] = {}
    for match, following in zip(names, [*names[1:], None], strict=True):
        block = text[match.end() : following.start() if following else len(text)].strip()
        query = _parse(noun, match["name"], block)
        if query.name in queries:
            raise ValueError(f"{noun}.sql defines {query.name} twice")
        queries[query.name] = query
    if not queries:
        raise ValueError(f"{noun}.sql defines no query")
    return Queries(noun, queries)


def _parse(noun: str, name: str, block: str) -> Query:
    first_line = block.split("\n", 1)[0]
    if not first_line.startswith("-- ") or len(first_line) < 10:
        raise ValueError(f"{noun}.sql: {name} needs a one-line description under its name")
    # The repository's own reviewed file: as literal as a string in the source.
    sql: LiteralString = block.rstrip(";\n")
    return Query(name=name, description=first_line[3:].strip(), sql=sql)
