"""What is told and stopped when Meta does not answer a number, and when it does again."""

import time
from typing import Final

import psycopg

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.errors import Unavailable
from core.logs import get_logger
from core.store import dispatch
from core.store.database import Pool, platform_transaction
from core.store.dispatch import SendOutcome
from core.store.queries import load
from sender.consequences import open_alert, pause_number
from sender.worker.weather import Weather

REST_REASON: Final = "Meta does not answer"
_ALERT: Final = "meta_unavailable"
_SERVER_ERROR: Final = 500
_SQL = load("dispatch")
_log = get_logger(__name__)


def is_answered(outcome: SendOutcome) -> bool | None:
    """Whether Meta answered a call, be it with a refusal; 5xx is no answer, with a code or not.

    None when nothing was asked: the message itself could not be sent.
    """
    if outcome.http_status is not None:
        return outcome.http_status < _SERVER_ERROR
    return {"rejected": None, "in_doubt": False, "not_sent": False}.get(outcome.outcome, True)


async def tell_weather(pool: Pool, ticket: Ticket, weather: Weather) -> None:
    """Pause the number and open the alert, or close it; a database that is away is left alone.

    Then this worker still rests, and the other workers find out for themselves.
    """
    rest, fair = weather.take_rest(), weather.take_fair(time.monotonic())
    if rest is None and not fair:
        return
    try:
        async with platform_transaction(pool) as connection:
            if rest is None:
                await dispatch.run(
                    connection,
                    _SQL.close_alert,
                    tenant_id=ticket.tenant_id,
                    kind=_ALERT,
                    subject=ticket.phone_number_id,
                    at=utc_now(),
                )
                return
            await pause_number(
                connection,
                tenant_id=ticket.tenant_id,
                phone_number_id=ticket.phone_number_id,
                seconds=rest,
                reason=REST_REASON,
            )
            await open_alert(
                connection,
                tenant_id=ticket.tenant_id,
                kind=_ALERT,
                subject=ticket.phone_number_id,
                detail="Most calls end without an answer; it is tried again by itself.",
            )
    except (Unavailable, psycopg.OperationalError) as error:
        _log.warning("the weather could not be told", problem=type(error).__name__)
