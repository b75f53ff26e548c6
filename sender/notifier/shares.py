"""Who gets the free calls: tenants in turn, and within a tenant its endpoints in turn.

An endpoint that hangs for its whole timeout fills its own share and no other's: nobody gets more
than a few calls at once, a tenant no more than a quarter, and those that fail at present together
no more than half.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.domain.ids import TenantId
from core.store.deliveries import DueEndpoint, EndpointKey

_AILING_CALLS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Calls at once: of one process, of one endpoint."""

    in_flight: int
    endpoint: int

    @property
    def tenant(self) -> int:
        """A quarter, so that four hanging tenants don't stop a fifth; at least one endpoint's."""
        return max(self.in_flight // 4, min(self.endpoint, self.in_flight))

    @property
    def ailing(self) -> int:
        """What failing endpoints may use together."""
        return max(self.in_flight // 2, 1)


def share_out(
    due: Sequence[DueEndpoint],
    in_flight: Mapping[EndpointKey, int],
    ailing_in_flight: int,
    limits: Limits,
    *,
    most: int,
    windows: Mapping[EndpointKey, int] | None = None,
) -> dict[EndpointKey, int]:
    """How many deliveries of each endpoint to claim now, `most` in all; without those of none.

    `windows` are the claims that endpoints may have by their own record; absent: their calls.
    """
    windows = windows or {}
    shares: dict[EndpointKey, int] = {}
    tenants = Counter[TenantId]()
    for (tenant_id, _), count in in_flight.items():
        tenants[tenant_id] += count
    free = min(limits.in_flight - sum(in_flight.values()), most)
    ailing_free = limits.ailing - ailing_in_flight
    turns = _in_turns(due)
    while turns and free > 0:
        following = []
        for endpoint in turns:
            key = (endpoint.tenant_id, endpoint.endpoint_id)
            calls = windows.get(key, limits.endpoint)
            if endpoint.is_ailing:
                calls = min(limits.endpoint, _AILING_CALLS)
            given = shares.get(key, 0)
            if (
                given >= endpoint.waiting
                or in_flight.get(key, 0) + given >= calls
                or tenants[endpoint.tenant_id] >= limits.tenant
                or (endpoint.is_ailing and ailing_free <= 0)
                or free <= 0
            ):
                continue
            shares[key] = given + 1
            tenants[endpoint.tenant_id] += 1
            free -= 1
            ailing_free -= endpoint.is_ailing
            following.append(endpoint)
        turns = following
    return shares


def _in_turns(due: Sequence[DueEndpoint]) -> list[DueEndpoint]:
    """The first endpoint of each tenant, then the second of each; the longest due come first."""
    seen = Counter[TenantId]()
    places: list[tuple[int, int, DueEndpoint]] = []
    for endpoint in sorted(due, key=lambda each: each.oldest_due_at):
        places.append((seen[endpoint.tenant_id], len(places), endpoint))
        seen[endpoint.tenant_id] += 1
    return [endpoint for _, _, endpoint in sorted(places, key=lambda place: place[:2])]
