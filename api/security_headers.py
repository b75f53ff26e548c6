"""What every answer tells a browser: this is data, show it nowhere, run nothing of it."""

from typing import Final

from starlette.types import Scope

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
#: Of /docs and /reference: scripts and styles are files of ours and a few lines in the page itself;
#: Redoc searches in a worker that it makes from a part of itself.
DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src blob:;"
    " frame-ancestors 'none'; base-uri 'none'"
)
#: Two years. Browsers heed it over https only, and only a proxy's word makes a request https.
_HSTS: Final = ((b"strict-transport-security", b"max-age=63072000; includeSubDomains"),)


def of_scheme(scope: Scope) -> tuple[tuple[bytes, bytes], ...]:
    """What is said over https only."""
    return _HSTS if scope["scheme"] == "https" else ()
