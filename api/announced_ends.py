"""What a request to an operation that ends is told, and when it is no longer served."""

from datetime import UTC

from starlette.requests import Request

from api.deprecated_uses import DeprecatedUses
from api.deprecations import Phase, deprecations
from api.further_headers import add_header
from api.operation import operation_of
from api.problems import Problem
from core.clock import Clock
from core.domain.ids import TenantId


def announce_end(
    request: Request, clock: Clock, uses: DeprecatedUses, tenant_id: TenantId | None
) -> None:
    """Put the dates into the answer, and count the use. Raises Problem 410 when it has ended."""
    name = operation_of(request.scope)
    known = deprecations().get(name)
    if known is None:
        return
    now = clock.now()
    for header, value in known.headers():
        add_header(request.scope, header, value)
    if tenant_id is not None:
        uses.count(tenant_id, name, now)
    phase = known.phase(now)
    if phase is Phase.GONE:
        raise Problem("operation-gone", f"it ended on {known.sunset_at.astimezone(UTC):%Y-%m-%d}")
    window = known.brown_out(now)
    if window is not None:
        left = int((window.ends_at - now).total_seconds()) + 1
        raise Problem(
            "operation-brown-out",
            f"it rehearses its end until {window.ends_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            headers={"Retry-After": str(left)},
        )
