"""The peer of rows `api`: one indexed SELECT, without tenants, keys, limits or a contract."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

_SELECT = "select address, name from app.contacts where contact_id = %s limit 1"
_pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
    os.environ.get("BENCH_DATABASE_URL", ""), min_size=12, max_size=12, open=False
)


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with _pool, _pool.connection() as connection:
        await connection.execute(
            "create index if not exists contacts_of_bench on app.contacts (contact_id)"
        )
        await connection.commit()
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/health/live")
async def alive() -> dict[str, bool]:
    """Answers once it serves."""
    return {"alive": True}


@app.get("/c/{contact_id}")
async def contact(contact_id: UUID) -> dict[str, str]:
    """One person."""
    async with _pool.connection() as connection:
        cursor = await connection.execute(_SELECT, (contact_id,))
        row = await cursor.fetchone()
    return {"address": row[0], "name": row[1]} if row else {}
