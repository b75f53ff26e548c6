"""Idempotency-Key: the same request twice has one effect and one answer.

The key is claimed by an INSERT in the transaction of the effect: either both are there or neither,
also after a crash between the commit and the answer.
"""

import hmac
import json
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar, cast

from fastapi import Header, Response
from pydantic import BaseModel, JsonValue

from api.deps import Caller
from api.dto import Answer
from api.openapi_shapes import DEMANDED
from api.problems import Problem
from api.rows import execute, fetch_one
from core.secrets import subkey
from core.store.database import Connection
from core.store.queries import load

_sql = load("idempotency")
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
REPLAYED: Final = "Idempotency-Replayed"

_MEANING: Final = "Makes the request repeatable: the same key and body give the same answer."
_SHAPE: Final[dict[str, JsonValue]] = {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
OptionalKey = Annotated[
    str | None, Header(alias="Idempotency-Key", description=_MEANING, json_schema_extra=_SHAPE)
]
#: A route with this one calls `require_key`: 400, not 422, for want of it.
DemandedKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description=_MEANING,
        json_schema_extra=_SHAPE | {DEMANDED: True},
    ),
]
Result = TypeVar("Result", bound=BaseModel)


class _Claimed(Answer):
    operation: str
    request_hash: bytes
    status_code: int | None
    response: dict[str, object] | None


class _Alone(Answer):
    alone: bool


def require_key(key: str | None) -> str:
    """The key of a request that must have one. Raises Problem 400."""
    if key is None:
        raise Problem("bad-idempotency-key", "this request needs an Idempotency-Key header")
    return key


async def once(
    caller: Caller,
    key: str | None,
    operation: str,
    request: BaseModel,
    response: Response,
    effect: Callable[[Connection], Awaitable[Result]],
    *,
    model: type[Result],
) -> Result:
    """Carry out `effect` once for a key, or give the first answer again (with a header).

    Without a key the effect simply happens. Raises Problem: 400 for a malformed key, 422 when the
    key belongs to another request, 409 while the first one is still under way.
    """
    if key is None:
        async with caller.transaction() as connection:
            return await effect(connection)
    if not _KEY.fullmatch(key):
        raise Problem("bad-idempotency-key", "the key must be 1 to 255 printable ASCII characters")
    digest = _digest(operation, request)
    async with caller.transaction() as connection:
        parameters = {"tenant_id": caller.tenant_id, "key": key}
        earlier = await _earlier(connection, parameters, operation, digest)
        if earlier is not None:
            response.headers[REPLAYED] = "true"
            return model.model_validate(earlier)
        result = await effect(connection)
        await execute(
            connection,
            _sql.keep_response,
            {**parameters, "status_code": 201, "response": result.model_dump_json()},
        )
        return result


async def _earlier(
    connection: Connection, parameters: dict[str, object], operation: str, digest: bytes
) -> dict[str, object] | None:
    """Claim the key, or return the answer it was given before."""
    alone = await fetch_one(connection, _Alone, _sql.try_lock_key, parameters)
    if alone is None or not alone.alone:
        raise Problem("request-in-flight", "the same request is still being carried out")
    claim = {**parameters, "operation": operation, "request_hash": digest}
    if await execute(connection, _sql.claim_key, claim) == 1:
        return None
    known = await fetch_one(connection, _Claimed, _sql.get_key, parameters)
    if known is None or known.operation != operation or known.request_hash != digest:
        raise Problem("idempotency-key-reused", "the key was used for a different request")
    return cast("dict[str, object]", known.response)


def _digest(operation: str, request: BaseModel) -> bytes:
    """A keyed digest: request bodies hold phone numbers, which a plain hash would give away."""
    canonical = json.dumps(request.model_dump(mode="json"), sort_keys=True)
    return hmac.digest(subkey("idempotency"), f"{operation}\n{canonical}".encode(), "sha256")
