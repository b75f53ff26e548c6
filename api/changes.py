"""What a request changes: one audit entry, written in the transaction of its effect.

The entry goes into the first transaction of the request that writes anything and commits. What a
request only reads, what is refused and what is rolled back leaves none.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from fastapi.routing import APIRoute
from starlette.requests import Request

from core.domain.audit import ActorKind
from core.domain.ids import TenantId
from core.secrets import subkey
from core.store import audit
from core.store.audit import Detail
from core.store.database import Connection

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_ID_SUFFIX: Final = "_id"
_DIGEST_BYTES: Final = 16
_LONGEST_ID: Final = 200


@dataclass(slots=True, kw_only=True)
class Change:
    """One request that may change something, and what is said of it in its entry."""

    tenant_id: TenantId
    actor: str
    operation: str
    target_kind: str
    target_id: str
    request_id: UUID | None
    address_digest: bytes | None
    details: dict[str, Detail] = field(default_factory=dict)
    written: bool = False

    def describe(
        self,
        target_kind: str | None,
        target_id: object | None,
        details: Mapping[str, Detail] | None,
    ) -> None:
        """Say more precisely what was changed; what is not given stays."""
        self.target_kind = target_kind or self.target_kind
        self.target_id = self.target_id if target_id is None else str(target_id)
        self.details.update(details or {})

    async def write(self, connection: Connection) -> bool:
        """Add the entry unless nothing was written so far; to be called right before the commit."""
        return await audit.append_if_written(
            connection,
            audit.NewEntry(
                tenant_id=self.tenant_id,
                actor=self.actor,
                actor_kind=ActorKind(self.actor.partition(":")[0]),
                operation=self.operation,
                target_kind=self.target_kind,
                target_id=self.target_id,
                request_id=self.request_id,
                address_digest=self.address_digest,
                details=self.details,
            ),
        )


def change_of(request: Request, tenant_id: TenantId, actor: str) -> Change | None:
    """What to write down of a request; None for one that only reads.

    The target is the last thing that the address names by its id, the others are details; without
    one it is the tenant, until the service says what it made.
    """
    route = request.scope.get("route")
    if request.method in _READS or not isinstance(route, APIRoute):
        return None
    named = _named(request.path_params)
    target = named.popitem() if named else ("tenant_id", str(tenant_id))
    return Change(
        tenant_id=tenant_id,
        actor=actor,
        operation=route.operation_id or route.name,
        target_kind=target[0].removesuffix(_ID_SUFFIX),
        target_id=target[1],
        request_id=_request_id(request),
        address_digest=address_digest(request, tenant_id),
        details=dict(named),
    )


def address_digest(request: Request, tenant_id: TenantId) -> bytes | None:
    """A keyed digest of where the request came from: alike for one tenant and address only."""
    if request.client is None:
        return None
    text = tenant_id.bytes + request.client.host.encode()
    return hmac.digest(subkey("audit-address"), text, "sha256")[:_DIGEST_BYTES]


def _named(path_params: Mapping[str, object]) -> dict[str, str]:
    """Ids only: what else stands in an address is a person's words, or might be."""
    ids = {}
    for name, value in path_params.items():
        if name.endswith(_ID_SUFFIX):
            ids[name] = _canonical(str(value))
    return ids


def _canonical(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        return value[:_LONGEST_ID]


def _request_id(request: Request) -> UUID | None:
    value = request.scope.get("request_id")
    return UUID(value) if isinstance(value, str) else None
