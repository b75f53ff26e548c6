"""Headers that a dependency wants in the answer, whatever that becomes; `access_log` adds them."""

from typing import Final

from starlette.types import Scope

_KEY: Final = "further_headers"


def add_header(scope: Scope, name: bytes, value: bytes) -> None:
    """Put a header into the answer of this request, also when the answer is an error."""
    scope.setdefault(_KEY, []).append((name, value))


def further_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """What was added so far."""
    added: list[tuple[bytes, bytes]] = scope.get(_KEY, [])
    return added
