"""Canary gates: releases the next wave of a campaign, or pauses it and tells people why."""

from typing import Final

from core.clock import utc_now
from core.domain.canary import Signals, judge_wave, read_canary
from core.errors import InvalidInput
from core.logs import get_logger
from core.store import canaries
from core.store.canaries import WaitingCanary
from core.store.database import Connection, Pool, platform_transaction
from sender.consequences import open_alert

_STOPPED: Final = "canary_stopped"
_log = get_logger(__name__)


async def ask_gates(pool: Pool) -> int:
    """Ask the gate of every waiting wave; returns how many were released."""
    released = 0
    async with platform_transaction(pool) as connection:
        for waiting in await canaries.list_waiting(connection):
            released += await _ask(connection, waiting)
    return released


async def _ask(connection: Connection, waiting: WaitingCanary) -> bool:
    try:
        canary = read_canary(waiting.canary)
    except InvalidInput as error:
        # Stored by an older release or by hand: the others go on, people are told.
        await _stop(connection, waiting, f"the canary cannot be read: {error.detail}")
        return False
    verdict = judge_wave(canary, _signals(waiting), now=utc_now())
    if verdict.stop is not None:
        await _stop(connection, waiting, verdict.stop)
        return False
    return verdict.release and await canaries.release_wave(connection, waiting)


async def _stop(connection: Connection, waiting: WaitingCanary, why: str) -> None:
    reason = f"{_STOPPED}: {why}"
    if await canaries.stop_campaign(connection, waiting, reason=reason):
        _log.warning("a canary stopped its campaign", campaign_id=str(waiting.campaign_id))
        await open_alert(
            connection,
            tenant_id=waiting.tenant_id,
            kind=_STOPPED,
            subject=str(waiting.campaign_id),
            detail=f"Wave {waiting.released_wave} is out, the next is held back: {why}. "
            "Release the next wave by hand to go on (POST .../waves/next), or cancel.",
        )


def _signals(waiting: WaitingCanary) -> Signals:
    return Signals(
        released_at=waiting.released_at,
        open_messages=waiting.open_messages,
        posted_messages=waiting.posted_messages,
        heard_messages=waiting.heard_messages,
        judged_messages=waiting.judged_messages,
        failed_messages=waiting.failed_messages,
        limited_messages=waiting.limited_messages,
        template_stopped=waiting.template_stopped,
        template_quality=waiting.template_quality,
        number_quality=waiting.number_quality,
    )
