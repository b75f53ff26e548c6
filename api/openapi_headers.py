"""The headers of requests and answers that the OpenAPI document names, each described once."""

from collections.abc import Mapping
from typing import Any, Final

_TEXT: Final = {"type": "string"}


def _header(description: str, example: str | int, schema: Mapping[str, Any] = _TEXT) -> Any:
    return {"description": description, "schema": dict(schema), "example": example}


_SECONDS: Final = {"type": "integer", "minimum": 0}

#: `components.headers`. An answer that carries one of them names it in its operation.
HEADERS: Final[dict[str, Any]] = {
    "X-Request-Id": _header(
        "Names this request in our logs; give it to the operator when something is wrong.",
        "019ab3f2-c7a0-7c3e-9d5b-1f0a6e4d2c11",
    ),
    "Retry-After": _header("Seconds after which the same request may be sent again.", 2, _SECONDS),
    "WWW-Authenticate": _header("How to authenticate (RFC 6750).", 'Bearer realm="carteiro"'),
    "Idempotency-Replayed": _header(
        "`true` when this is the kept answer of an earlier request with the same key.",
        "true",
        {"type": "string", "enum": ["true"], "x-enumDescriptions": {"true": "a kept answer"}},
    ),
    "Carteiro-Key-Expires": _header(
        "In the last 7 days of an API key: when it ends. Rotate it before.",
        "2026-12-01T00:00:00Z",
        {"type": "string", "format": "date-time"},
    ),
    "RateLimit-Policy": _header(
        "The limit that this request counts for: `q` requests in `w` seconds"
        " (draft-ietf-httpapi-ratelimit-headers-10).",
        '"read";q=6000;w=60',
    ),
    "RateLimit": _header(
        "What is left of it: `r` requests at once; in `t` seconds all of them.",
        '"read";r=5999;t=1',
    ),
    "Location": _header(
        "Where the new thing is found.", "/v1/media/019ab3f2-a001-7000-8000-0000000000d1"
    ),
    "Content-Disposition": _header(
        "The name to keep the file under.", 'attachment; filename="usage.csv"'
    ),
    "X-Content-SHA256": _header(
        "The checksum of the file, as in its manifest.",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    ),
    "ETag": _header(
        "The version of what is answered; give it back in If-Match or If-None-Match.",
        '"5b1f0c9a77de4b21a0c4e913"',
    ),
    "Deprecation": _header(
        "Since when this is deprecated: `@` and seconds since 1970 (RFC 9745).", "@1795392000"
    ),
    "Sunset": _header("From when this answers 410 (RFC 8594).", "Wed, 24 Nov 2027 00:00:00 GMT"),
    "Link": _header(
        "The notices (`deprecation`, `sunset`) and what to use instead (`successor-version`).",
        '</deprecations>; rel="deprecation", </deprecations>; rel="sunset"',
    ),
}
#: What every answer that passes through the API carries, by status where it depends on it.
ALWAYS: Final = ("X-Request-Id",)
#: What an answer to somebody who shows who they are may carry as well.
TO_CALLERS: Final = ("Carteiro-Key-Expires",)
#: What every answer that was counted for a rate limit carries.
COUNTED: Final = ("RateLimit-Policy", "RateLimit")
#: What every answer of an operation that ends carries.
ENDING: Final = ("Deprecation", "Sunset", "Link")
BY_STATUS: Final[Mapping[str, tuple[str, ...]]] = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def header_refs(*names: str) -> dict[str, Any]:
    """References to headers of `HEADERS`, for `responses={200: {"headers": ...}}`."""
    for name in names:
        if name not in HEADERS:
            raise KeyError(f"describe the header {name} in api/openapi_headers.py")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
