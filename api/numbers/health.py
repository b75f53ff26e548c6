"""How one number does: its state, its stops, its portfolio's room, its latest sends."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import Field

from api.deps import Caller
from api.dto import Answer
from api.list_filters import Made
from api.numbers.schemas import (
    Number,
    NumberHealth,
    NumberStop,
    Portfolio,
    RecentSends,
    SendError,
)
from api.rows import fetch_all, fetch_known
from core.domain.provider_errors import classify
from core.store.queries import load

_sql = load("accounts")
_portfolios = load("portfolios")
_ALWAYS: Final = Made(created_from=None, created_to=None)
_TAKEN: Final = frozenset({"accepted", "held"})
_DOUBTS: Final = frozenset({"in_doubt", "lease_expired"})
_MOST_ERRORS: Final = 10
_PLACES: Final = Decimal("0.0001")


class _Stop(Answer):
    kind: str
    detail: str
    times: int = Field(validation_alias="occurrences")
    since: datetime = Field(validation_alias="opened_at")
    last_seen_at: datetime
    ended_at: datetime | None = Field(validation_alias="closed_at")


class _Sends(Answer):
    outcome: str
    failed_later: bool
    error_code: int | None
    attempts: int
    since: datetime


async def get_number(caller: Caller, phone_number_id: str) -> NumberHealth:
    """One number with its health, all of one instant. Raises NotFound."""
    wanted: dict[str, object] = {
        "tenant_id": caller.tenant_id,
        "phone_number_id": phone_number_id,
        "after": None,
        **_ALWAYS.parameters(),
        "state": None,
        "limit": 1,
    }
    async with caller.transaction(snapshot=True) as connection:
        number = await fetch_known(connection, Number, _sql.list_numbers, wanted, what="number")
        place = {**wanted, "waba_id": number.waba_id, "portfolio_id": number.portfolio_id}
        portfolio = await fetch_known(
            connection, Portfolio, _portfolios.list_portfolios, place, what="portfolio"
        )
        stops = await fetch_all(connection, _Stop, _sql.list_number_stops, place)
        sends = await fetch_all(connection, _Sends, _sql.count_recent_sends, place)
    return NumberHealth(
        **number.model_dump(),
        portfolio=portfolio,
        stops=[NumberStop.model_validate(stop.model_dump()) for stop in stops],
        recent=_summed(sends),
    )


def _summed(sends: Sequence[_Sends]) -> RecentSends:
    kinds: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    for send in sends:
        kind = _kind(send)
        kinds[kind] += send.attempts
        if kind == "failed" and send.error_code is not None:
            codes[send.error_code] += send.attempts
    decided = kinds["accepted"] + kinds["failed"]
    rate = (Decimal(kinds["failed"]) / decided).quantize(_PLACES) if decided else None
    return RecentSends(
        since=min((send.since for send in sends), default=None),
        attempts=kinds.total(),
        accepted=kinds["accepted"],
        failed=kinds["failed"],
        in_doubt=kinds["in_doubt"],
        put_off=kinds["put_off"],
        error_rate=rate,
        errors=[
            SendError(code=code, name=classify(code, None).name, attempts=attempts)
            for code, attempts in codes.most_common(_MOST_ERRORS)
        ],
    )


def _kind(send: _Sends) -> str:
    """What the attempt counts as; a rejection that is only a wait was put off by the worker."""
    if send.outcome in _TAKEN:
        return "failed" if send.failed_later else "accepted"
    if send.outcome in _DOUBTS:
        return "in_doubt"
    return "failed" if send.outcome == "rejected" else "put_off"
