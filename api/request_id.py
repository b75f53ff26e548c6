"""The name of a request: the caller's own where it is a UUID, for then their logs and ours meet."""

import re
from typing import Final

from starlette.types import Scope

from core.domain.ids import new_id

#: A column of the audit chain holds it: nothing but a UUID as text, in the one usual form.
_UUID: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_NAME: Final = b"x-request-id"


def request_id_of(scope: Scope) -> str:
    """The X-Request-Id of a request, if it has one that is well-formed; a new one otherwise."""
    given: list[bytes] = [value for name, value in scope["headers"] if name == _NAME]
    if len(given) == 1 and _UUID.fullmatch(given[0].lower()):
        return given[0].lower().decode()
    return str(new_id())
