"""Cursors: where to read on, signed for one tenant, one list and its filters."""

import base64
import binascii
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Final
from uuid import UUID

from starlette.requests import Request

from api.dto import Item, Page
from api.problems import Problem
from core.domain.ids import TenantId
from core.secrets import subkey

_MAC_BYTES: Final = 16
_KEY_SEPARATOR: Final = "|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    """One request for one page: the key to read after (None: from the start) and how many."""

    after: str | None
    limit: int
    binding: bytes

    @classmethod
    def of(cls, request: Request, tenant_id: TenantId, cursor: str | None, limit: int) -> "Pager":
        """Check the cursor of a request. Raises Problem when it is of another list or forged."""
        filters = sorted(
            (name, value)
            for name, value in request.query_params.multi_items()
            if name not in {"cursor", "limit"}
        )
        binding = repr((tenant_id.hex, request.url.path, filters)).encode("utf-8", "replace")
        after = None if cursor is None else _opened(cursor, binding)
        return cls(after=after, limit=limit, binding=binding)

    @property
    def after_id(self) -> UUID | None:
        """The key as a UUID, for lists that are ordered by id."""
        return None if self.after is None else UUID(self.after)

    def after_time_and_id(self) -> dict[str, object]:
        """The key as parameters `after_at` and `after_id`, for lists that are ordered by both."""
        at, _, identifier = (self.after or "").partition(_KEY_SEPARATOR)
        return {"after_at": at or None, "after_id": UUID(identifier) if identifier else None}

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than is shown, to know whether there are more."""
        return self.limit + 1

    def page(self, rows: Sequence[Item], key: Callable[[Item], object]) -> Page[Item]:
        """The page of these rows, read with `fetch` as their limit."""
        shown = list(rows[: self.limit])
        more = len(rows) > self.limit
        return Page(items=shown, next_cursor=self._sealed(str(key(shown[-1]))) if more else None)

    def _sealed(self, key: str) -> str:
        raw = key.encode()
        return base64.urlsafe_b64encode(_mac(self.binding, raw) + raw).rstrip(b"=").decode()


def time_and_id(at: date, identifier: UUID) -> str:
    """The key of a row in a list that is ordered by a day or an instant and an id."""
    return f"{at.isoformat()}{_KEY_SEPARATOR}{identifier}"


def _opened(cursor: str, binding: bytes) -> str:
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    mac, key = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
    if not key or not hmac.compare_digest(mac, _mac(binding, key)):
        raise Problem("bad-cursor", "the cursor isn't one of this list", pointer="/query/cursor")
    return key.decode()


def _mac(binding: bytes, key: bytes) -> bytes:
    return hmac.digest(_cursor_key(), binding + b"\x00" + key, "sha256")[:_MAC_BYTES]


@lru_cache(maxsize=1)
def _cursor_key() -> bytes:
    return subkey("api-cursor")
