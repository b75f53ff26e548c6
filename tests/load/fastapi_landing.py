"""The peer of row `landing`: a webhook handler as tutorials write it, but durable and checked."""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from psycopg_pool import AsyncConnectionPool

_SECRET = os.environ.get("BENCH_APP_SECRET", "").encode()
_INSERT = "insert into raw.webhook_bodies (body, sha256) values (%s, %s)"
_LONGEST = 4 * 1024 * 1024
_pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
    os.environ.get("BENCH_DATABASE_URL", ""), min_size=12, max_size=12, open=False
)


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with _pool:
        yield


app = FastAPI(lifespan=_lifespan)


@app.get("/health/live")
async def alive() -> dict[str, bool]:
    """Answers once it serves."""
    return {"alive": True}


@app.post("/webhooks/meta")
async def receive(request: Request) -> str:
    """Check the signature, insert, commit, answer."""
    body = await request.body()
    if len(body) > _LONGEST:
        raise HTTPException(413)
    expected = "sha256=" + hmac.new(_SECRET, body, "sha256").hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("x-hub-signature-256", "")):
        raise HTTPException(401)
    async with _pool.connection() as connection:
        await connection.execute(_INSERT, (body, hashlib.sha256(body).digest()))
    return "OK"
