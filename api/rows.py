"""Rows straight into answers: the SQL names the columns, the answer's class checks them."""

from collections.abc import Mapping
from typing import LiteralString, TypeVar

from psycopg.rows import class_row
from pydantic import BaseModel

from core.errors import NotFound
from core.store.database import Connection

Row = TypeVar("Row", bound=BaseModel)
Parameters = Mapping[str, object]


async def fetch_all(
    connection: Connection, model: type[Row], query: LiteralString, parameters: Parameters
) -> list[Row]:
    """Every row of the query as `model`."""
    async with connection.cursor(row_factory=class_row(model)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchall()


async def fetch_one(
    connection: Connection, model: type[Row], query: LiteralString, parameters: Parameters
) -> Row | None:
    """The first row of the query as `model`, or None."""
    async with connection.cursor(row_factory=class_row(model)) as cursor:
        await cursor.execute(query, parameters)
        return await cursor.fetchone()


async def fetch_known(
    connection: Connection,
    model: type[Row],
    query: LiteralString,
    parameters: Parameters,
    *,
    what: str,
) -> Row:
    """The row of the query. Raises NotFound, alike for what never was and what is another's."""
    row = await fetch_one(connection, model, query, parameters)
    if row is None:
        raise NotFound(f"there is no such {what}")
    return row


async def execute(connection: Connection, query: LiteralString, parameters: Parameters) -> int:
    """Run a statement; returns how many rows it touched."""
    return (await connection.execute(query, parameters)).rowcount
