"""How often somebody may ask: by credential and class of route, and by address without one.

Counted in Redis, in one round trip: GCRA, for which one timestamp a caller is enough, and whose
answer already has what the RateLimit headers say (a moving window keeps every request, and has to
be asked twice). Where Redis doesn't answer in time each process counts for itself: the limits stay,
they are only multiplied by the number of processes. Guessing of passwords doesn't rest on this:
`login_throttle` counts it in PostgreSQL.
"""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from redis.exceptions import RedisError
from starlette.types import Scope
from throttled.asyncio import (
    BaseRateLimiter,
    MemoryStore,
    RateLimiterRegistry,
    RateLimiterType,
    RateLimitResult,
    per_duration,
)
from throttled.exceptions import BaseThrottledError

from api.further_headers import add_header
from api.metrics import RATE_COUNTED, RATE_LIMITED
from api.operation import operation_of
from api.problems import Problem
from api.rate_counters import RedisCounters
from core.domain.ids import TenantId
from core.errors import ConfigurationError
from core.logs import get_logger
from core.settings import Settings

#: Connecting, sending and the answer together.
PATIENCE_SECONDS: Final = 0.05
#: After a failure nobody waits for Redis for so long; then one request tries again.
REST_SECONDS: Final = 1.0
#: Callers that one process remembers when it counts for itself; the longest silent goes first.
_REMEMBERED: Final = 20_000
_LIMIT: Final = re.compile(r"([a-z]+)=([1-9][0-9]{0,6})/([1-9][0-9]{0,4})", re.ASCII)
_FACTOR: Final = re.compile(r"([0-9a-f-]{36})=([1-9][0-9]{0,3})", re.ASCII)
_READS: Final = frozenset({"GET", "HEAD"})
_log = get_logger(__name__)


class LimitClass(StrEnum):
    """What kind of work a route is; each has a quota of its own."""

    READ = "read"
    WRITE = "write"
    MESSAGE = "message"
    TRANSFER = "transfer"
    AUTH = "auth"
    ANONYMOUS = "anonymous"
    PAGE = "page"


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """So many requests in so many seconds: at once, or evenly."""

    quota: int
    seconds: int


#: Of one key or person, of one address in the last three.
LIMITS: Final[Mapping[LimitClass, RateLimit]] = MappingProxyType(
    {
        LimitClass.READ: RateLimit(quota=6_000, seconds=60),
        LimitClass.WRITE: RateLimit(quota=3_000, seconds=60),
        # A new number's rate at Meta is 80 a second; a campaign is the way for more.
        LimitClass.MESSAGE: RateLimit(quota=6_000, seconds=60),
        LimitClass.TRANSFER: RateLimit(quota=120, seconds=60),
        # A whole office behind one address; failed passwords are throttled far below.
        LimitClass.AUTH: RateLimit(quota=300, seconds=60),
        LimitClass.ANONYMOUS: RateLimit(quota=600, seconds=60),
        # A page is five requests: sixty people of one office, who open both at once.
        LimitClass.PAGE: RateLimit(quota=600, seconds=60),
    }
)
#: Operations that are not simply a read (GET) or a write.
CLASSES: Final[Mapping[str, LimitClass]] = MappingProxyType(
    {
        "send_message": LimitClass.MESSAGE,
        "send_messages": LimitClass.TRANSFER,
        "import_contacts": LimitClass.TRANSFER,
        "create_export": LimitClass.TRANSFER,
        "download_export": LimitClass.TRANSFER,
        "download_import_errors": LimitClass.TRANSFER,
        "upload_media": LimitClass.TRANSFER,
        "export_audit_chain": LimitClass.TRANSFER,
        "sync_templates": LimitClass.TRANSFER,
        "sync_numbers": LimitClass.TRANSFER,
        "log_in": LimitClass.AUTH,
        "refresh_token": LimitClass.AUTH,
        "log_out": LimitClass.AUTH,
        "accept_invitation": LimitClass.AUTH,
    }
)
#: Probes and monitors come from one address, and must see a busy API as it is.
UNLIMITED: Final = frozenset({"get_liveness", "get_startup", "get_readiness", "get_metrics"})


def class_of(operation_id: str, method: str, *, anonymous: bool = False) -> LimitClass | None:
    """The class of an operation; None for one without a limit."""
    if operation_id in UNLIMITED:
        return None
    if operation_id in CLASSES:
        return CLASSES[operation_id]
    if anonymous:
        return LimitClass.ANONYMOUS
    return LimitClass.READ if method in _READS else LimitClass.WRITE


def class_of_request(scope: Scope, *, anonymous: bool = False) -> LimitClass | None:
    """The class of the route that a request has found."""
    return class_of(operation_of(scope), scope["method"], anonymous=anonymous)


class RateLimits:
    """Counts requests; `take` lets one through or raises Problem 429."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigurationError naming a setting that can't be read."""
        self._limits = {**LIMITS, **_changed_limits(settings.rate_limits)}
        self._factors = _tenant_factors(settings.rate_limit_tenants)
        url = settings.redis_url
        self._redis = RedisCounters(url, connect_seconds=PATIENCE_SECONDS) if url else None
        self._memory = MemoryStore(options={"MAX_SIZE": _REMEMBERED})
        self._limiters: dict[tuple[bool, RateLimit], BaseRateLimiter] = {}
        self._away_until = float("-inf")

    async def close(self) -> None:
        """Leave Redis."""
        if self._redis is not None:
            await self._redis.close()

    async def take(
        self,
        scope: Scope,
        limit_class: LimitClass,
        who: str,
        *,
        tenant_id: TenantId | None = None,
    ) -> None:
        """Count one request of `who`, and say in the answer's headers what is left.

        Raises Problem 429 with Retry-After; what is refused doesn't count.
        """
        limit = self._of(limit_class, tenant_id)
        result = await self._count(f"{limit_class}:{who}", limit)
        state = result.state
        policy = f'"{limit_class}";q={limit.quota};w={limit.seconds}'
        left = f'"{limit_class}";r={state.remaining};t={math.ceil(state.reset_after)}'
        add_header(scope, b"ratelimit-policy", policy.encode())
        add_header(scope, b"ratelimit", left.encode())
        if result.limited:
            RATE_LIMITED.labels(limit=limit_class.value).inc()
            raise Problem(
                "rate-limited",
                f"{limit.quota} requests of class {limit_class} in {limit.seconds} s are used up",
                headers={"Retry-After": str(max(1, math.ceil(state.retry_after)))},
            )

    def _of(self, limit_class: LimitClass, tenant_id: TenantId | None) -> RateLimit:
        limit = self._limits[limit_class]
        factor = 1 if tenant_id is None else self._factors.get(tenant_id, 1)
        return RateLimit(quota=limit.quota * factor, seconds=limit.seconds)

    async def _count(self, key: str, limit: RateLimit) -> RateLimitResult:
        if self._redis is not None and time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    result = await self._limiter(limit, shared=True).limit(key)
            except (BaseThrottledError, RedisError, OSError, TimeoutError) as error:
                self._rest(error)
            else:
                RATE_COUNTED.labels(by="redis").inc()
                return result
        RATE_COUNTED.labels(by="process").inc()
        return await self._limiter(limit, shared=False).limit(key)

    def _rest(self, error: Exception) -> None:
        """Many requests may fail at once; the first one says so."""
        now = time.monotonic()
        if now >= self._away_until:
            _log.warning("rate limits are counted by process", problem=type(error).__name__)
        self._away_until = now + REST_SECONDS

    def _limiter(self, limit: RateLimit, *, shared: bool) -> BaseRateLimiter:
        known = self._limiters.get((shared, limit))
        if known is None:
            pace = per_duration(timedelta(seconds=limit.seconds), limit.quota)
            if shared and self._redis is not None:
                known = self._redis.limiter(pace)
            else:
                known = RateLimiterRegistry.get(RateLimiterType.GCRA.value)(pace, self._memory)
            self._limiters[shared, limit] = known
        return known


def _changed_limits(text: str) -> dict[LimitClass, RateLimit]:
    """`read=600/60,message=60000/60`. Raises ConfigurationError."""
    changed = {}
    for part in _parts(text):
        found = _LIMIT.fullmatch(part)
        if found is None or found[1] not in set(LimitClass):
            raise ConfigurationError(
                "CARTEIRO_RATE_LIMITS: write class=requests/seconds, with commas, of the classes "
                + ", ".join(LimitClass)
            )
        changed[LimitClass(found[1])] = RateLimit(quota=int(found[2]), seconds=int(found[3]))
    return changed


def _tenant_factors(text: str) -> dict[TenantId, int]:
    """`<tenant id>=10,...`. Raises ConfigurationError."""
    factors = {}
    for part in _parts(text):
        found = _FACTOR.fullmatch(part)
        if found is None:
            raise ConfigurationError(
                "CARTEIRO_RATE_LIMIT_TENANTS: write tenant_id=factor, with commas"
            )
        factors[TenantId(UUID(found[1]))] = int(found[2])
    return factors


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
