"""Holds live answers against the OpenAPI document: status, type, headers, body."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from api.app import create_app
from api.openapi import operations
from tests.support.settings import make_settings

#: On every answer, and of the protocol rather than of an operation.
_EVERYWHERE = {
    "accept-ranges",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "date",
    "last-modified",
    "referrer-policy",
    "server",
    "strict-transport-security",
    "vary",
    "x-content-type-options",
    "x-frame-options",
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
}


@cache
def document() -> dict[str, Any]:
    """The present document of the API; made once a process."""
    settings = make_settings(database_url="postgresql://nobody@127.0.0.1/nothing")
    return create_app(settings).openapi()


@cache
def _patterns() -> list[tuple[str, re.Pattern[str], dict[str, Any]]]:
    """Method, address as a pattern, operation; addresses without a parameter come first."""
    found = [
        (method, re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operation)
        for method, path, operation in operations(document())
    ]
    return sorted(found, key=lambda each: each[1].pattern.count("[^/]+"))


@cache
def _validator(operation_id: str, status: str, media_type: str) -> Draft202012Validator:
    operation = next(op for _, _, op in _patterns() if op["operationId"] == operation_id)
    schema = operation["responses"][status]["content"][media_type]["schema"]
    return Draft202012Validator({**schema, "components": document()["components"]})


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    """The documented operation behind a request; None for an address we don't have."""
    # A fixed word is no id, also where no operation of the fixed address takes this method.
    fixed = path in document()["paths"]
    for wanted, pattern, operation in _patterns():
        if fixed and pattern.pattern != path:
            continue
        if wanted == method.lower() and pattern.fullmatch(path):
            return operation
    return None


def disagreement(response: httpx.Response) -> str | None:
    """What an answer has that its documentation hasn't, in one sentence for whoever wrote it."""
    operation = operation_of(response.request.method, response.request.url.path)
    if operation is None or (
        response.status_code in {404, 405} and "404" not in _statuses(operation)
    ):
        return None
    name, status = operation["operationId"], str(response.status_code)
    documented = operation["responses"].get(status)
    if documented is None:
        return (
            f"{name} answered {status} {_code(response)}, which it doesn't document: "
            f"add it to the route's responses=problems(...)"
        )
    unknown = set(response.headers) - _EVERYWHERE - {each.lower() for each in _headers(documented)}
    if unknown:
        return (
            f"{name} answered {status} with undocumented headers {sorted(unknown)}: describe them "
            f"in api/openapi_headers.py and name them in the route's responses= (header_refs)"
        )
    return _body(name, status, documented, response)


def _body(
    name: str, status: str, documented: Mapping[str, Any], response: httpx.Response
) -> str | None:
    media_type = response.headers.get("content-type", "").split(";")[0]
    contents = documented.get("content", {})
    if not response.content:
        return None
    if media_type not in contents:
        return f"{name} answered {status} as {media_type!r}, documented are {sorted(contents)}"
    if media_type not in {"application/json", "application/problem+json"}:
        return None
    for error in _validator(name, status, media_type).iter_errors(response.json()):
        return f"{name} answered {status} with a body unlike its schema: {error.json_path}"
    codes = contents[media_type].get("examples")
    if media_type == "application/problem+json" and _code(response) not in (codes or ()):
        return (
            f"{name} answered {status} {_code(response)}, documented for {status} are "
            f"{sorted(codes or ())}: add the code to the route's responses=problems(...)"
        )
    return None


def _statuses(operation: Mapping[str, Any]) -> set[str]:
    return set(operation["responses"])


def _headers(documented: Mapping[str, Any]) -> set[str]:
    return set(documented.get("headers", {}))


def _code(response: httpx.Response) -> str:
    if response.headers.get("content-type", "").startswith("application/problem+json"):
        return str(response.json().get("code"))
    return ""
