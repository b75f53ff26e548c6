"""Every error becomes application/problem+json (RFC 9457): the one place that translates them.

No stack, SQL, path or value of the request is ever in an answer.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolClosed, PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.allowed_methods import allowed_methods, is_misaddressed
from api.etags import NotModified
from api.problems import CATALOGUE, INTERNAL_ERROR, Problem, ProblemKind
from core.errors import CarteiroError, InvalidInput, QuotaExceeded
from core.logs import get_logger

_log = get_logger(__name__)

PROBLEM_TYPE: Final = "application/problem+json"
_RETRY_AFTER: Final = {"Retry-After": "2"}
_BY_STATUS: Final = {
    400: "malformed-request",
    401: "unauthenticated",
    403: "not-allowed",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    408: "body-too-slow",
    413: "body-too-large",
    415: "unsupported-media-type",
}
_MAX_ERRORS: Final = 20


def problem_response(
    kind: ProblemKind,
    detail: str,
    *,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] = (),
    extra: Mapping[str, str | int | None] | None = None,
) -> Response:
    """An answer that says what went wrong, by a stable code."""
    body: dict[str, object] = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        "advice": kind.advice,
    }
    if request_id:
        body["request_id"] = request_id
    if errors:
        body["errors"] = list(errors)
    body.update(extra or {})
    return Response(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status_code=kind.status,
        media_type=PROBLEM_TYPE,
        headers={**_default_headers(kind), **(headers or {})},
    )


def install_error_handlers(app: FastAPI) -> None:
    """Make every kind of error answer as a problem."""
    handlers: dict[type[Exception], Any] = {
        Problem: _on_problem,
        NotModified: _on_not_modified,
        CarteiroError: _on_carteiro_error,
        RequestValidationError: _on_validation_error,
        HTTPException: _on_http_exception,
        psycopg.Error: _on_database_error,
        PoolTimeout: _on_unavailable,
        PoolClosed: _on_unavailable,
        Exception: _on_any,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def _default_headers(kind: ProblemKind) -> dict[str, str]:
    if kind.status == 503:
        return _RETRY_AFTER
    return {"WWW-Authenticate": 'Bearer realm="carteiro"'} if kind.status == 401 else {}


def _request_id(request: Request) -> str | None:
    value = request.scope.get("request_id")
    return value if isinstance(value, str) else None


def _answer(
    request: Request,
    kind: ProblemKind,
    detail: str,
    *,
    pointer: str | None = None,
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, str | int | None] | None = None,
) -> Response:
    errors = [{"pointer": pointer, "code": kind.code, "detail": detail}] if pointer else []
    return problem_response(
        kind,
        detail,
        request_id=_request_id(request),
        headers=headers,
        errors=errors,
        extra=extra,
    )


async def _on_problem(request: Request, error: Problem) -> Response:
    return _answer(
        request,
        error.kind,
        error.detail,
        pointer=error.pointer,
        headers=error.headers,
        extra=error.extra,
    )


async def _on_not_modified(_request: Request, _error: Exception) -> Response:
    return Response(status_code=304)


async def _on_carteiro_error(request: Request, error: CarteiroError) -> Response:
    kind = CATALOGUE.get(error.code, INTERNAL_ERROR)
    if kind.status >= 500:
        _log.error("request failed", code=error.code, exc_info=error)
    detail = "the request could not be carried out" if kind is INTERNAL_ERROR else error.detail
    pointer = error.pointer if isinstance(error, InvalidInput) else None
    headers = {}
    if isinstance(error, QuotaExceeded) and error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    return _answer(request, kind, detail, pointer=pointer, headers=headers)


async def _on_validation_error(request: Request, error: RequestValidationError) -> Response:
    if is_misaddressed(request):
        return _not_this_method(request)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return _answer(request, CATALOGUE["malformed-request"], "the body isn't JSON")
    errors = [
        {
            "pointer": _pointer(item["loc"], error.body, missing=item["type"] == "missing"),
            "code": str(item["type"]).replace("_", "-"),
            # Pydantic's sentence names the rule, not the value, for the types we use.
            "detail": str(item["msg"]),
        }
        for item in found[:_MAX_ERRORS]
    ]
    return problem_response(
        CATALOGUE["invalid-input"],
        f"{len(found)} field(s) can't be accepted",
        request_id=_request_id(request),
        errors=errors,
    )


async def _on_http_exception(request: Request, error: HTTPException) -> Response:
    kind = CATALOGUE[_BY_STATUS.get(error.status_code, "internal-error")]
    details = {
        400: "the body can't be read",
        404: "there is nothing at this address",
    }
    detail = details.get(error.status_code, kind.title)
    if error.status_code == 405:
        return _not_this_method(request)
    return _answer(request, kind, detail, headers=error.headers)


def _not_this_method(request: Request) -> Response:
    """The routes of one address are many, and the first one that fits knows only itself."""
    methods = ", ".join(allowed_methods(request))
    kind = CATALOGUE["method-not-allowed"]
    return _answer(
        request, kind, "the address doesn't take this method", headers={"Allow": methods}
    )


async def _on_database_error(request: Request, error: psycopg.Error) -> Response:
    """Lost connections, deadlocks and lock timeouts pass; anything else is a fault of ours."""
    _log.error("database error", exc_info=error)
    passing = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    if passing:
        return await _on_unavailable(request, error)
    return await _on_any(request, error)


async def _on_unavailable(request: Request, _error: Exception) -> Response:
    return _answer(request, CATALOGUE["unavailable"], "the database doesn't answer in time")


async def _on_any(request: Request, error: Exception) -> Response:

    _log.error("unhandled error", exc_info=error)
    return _answer(request, INTERNAL_ERROR, "the request could not be carried out")


def _pointer(location: Sequence[str | int], body: Any, *, missing: bool) -> str:
    """Where in the request, as RFC 6901: a body by its members, the rest by `/query/limit`."""
    parts = list(location)
    if parts and parts[0] == "body":
        # What our own rules found names members only, and comes without a body.
        walked = parts[1:] if body is None else _parts_of_body(parts[1:], body, missing=missing)
        parts = list(walked)
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _parts_of_body(parts: Sequence[str | int], body: Any, *, missing: bool) -> Iterator[str | int]:
    """The parts that lead through the body; pydantic also names the kinds that it has tried."""
    for index, part in enumerate(parts):
        members: Any = dict(enumerate(body)) if isinstance(body, list) else body
        is_there = isinstance(members, dict) and part in members
        if is_there or (missing and index == len(parts) - 1):
            yield part
        if is_there:
            body = members[part]
