"""One ticket from claim to recorded outcome: claim, commit, send, record. No transaction is open
while the network is."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import aiohttp
import psycopg

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import PhoneNumberId, WabaId
from core.errors import CarteiroError, ConfigurationError, Unavailable
from core.logs import get_logger
from core.metrics import MESSAGES_CLAIMED, META_ERRORS, SEND_OUTCOMES, SEND_SECONDS
from core.secrets import sign_callback
from core.settings import Settings
from core.store import dispatch
from core.store.accounts import open_token
from core.store.database import Pool, platform_transaction
from core.store.dispatch import ClaimedMessage, NewIdentity
from core.whatsapp.client import CloudApi, SendAccepted
from core.whatsapp.payloads import addressed
from sender.consequences import Consequence, apply_consequences, open_alert, pause_number
from sender.worker.journal import PostingJournal
from sender.worker.lease import LatestStart, TooLate
from sender.worker.media import MediaIds, NoMedia
from sender.worker.outages import REST_REASON, is_answered, tell_weather
from sender.worker.outcomes import (
    Judgement,
    Moment,
    judge_accepted,
    judge_error,
    judge_in_doubt,
    judge_not_sent,
)
from sender.worker.stops import Stops
from sender.worker.weather import Weather

_RECORD_TRIES: Final = 6
_NO_TOKEN_SECONDS: Final = 60
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One message, what is to be recorded, and what Meta answered when it accepted."""

    message: ClaimedMessage
    judgement: Judgement
    answer: SendAccepted | None = None


class Dispatcher:
    """Carries out tickets; many at once in one event loop."""

    def __init__(
        self,
        settings: Settings,
        pool: Pool,
        session: aiohttp.ClientSession,
        *,
        worker: str,
        stopping: Callable[[], bool] = lambda: False,
        journal: PostingJournal | None = None,
    ) -> None:
        """`worker` names this process in claims and attempts; `stopping` ends sending early.

        `journal` is told of each message before its bytes leave, so that a kill puts back into the
        queue what never left; without one all that was claimed is in doubt then.
        """
        self._settings = settings
        self._pool = pool
        self._session = session
        self._worker = worker
        self._stopping = stopping
        self._journal = journal
        # Our own gate before the connector's queue: the lease is checked after the wait.
        self._gate = asyncio.Semaphore(settings.meta_max_connections)
        self._sends: set[asyncio.Task[Sent]] = set()
        self._media = MediaIds(pool)
        self._weather: defaultdict[PhoneNumberId, Weather] = defaultdict(Weather)

    async def handle(self, ticket: Ticket) -> list[Sent]:
        """Claim, send, record; returns what was sent. An expired ticket claims nothing.

        While Meta does not answer the number nothing is claimed, and after each rest one message.
        Raises Unavailable when the database stays away: then what was claimed runs into its lease
        and becomes in doubt, which is the truth.
        """
        if ticket.expires_at <= utc_now():
            return []
        weather = self._weather[ticket.phone_number_id]
        allowed = weather.allow(time.monotonic())
        if allowed == 0:
            return []
        try:
            return await self._carry_out(
                replace(ticket, message_ids=ticket.message_ids[:allowed]), weather
            )
        finally:
            if allowed is not None:
                weather.end_probe()

    async def _carry_out(self, ticket: Ticket, weather: Weather) -> list[Sent]:
        # Taken before the claim, so that our own idea of the lease ends before the database's.
        latest_start = LatestStart(
            self._settings.lease_seconds - self._settings.send_timeout_seconds
        )
        stops = Stops(self._pool, ticket.tenant_id)
        async with platform_transaction(self._pool) as connection:
            claimed = await dispatch.claim_messages(
                connection,
                tenant_id=ticket.tenant_id,
                phone_number_id=ticket.phone_number_id,
                message_ids=ticket.message_ids,
                worker=self._worker,
                lease_seconds=self._settings.lease_seconds,
            )
            if not claimed:
                return []
            # Never remembered: a worker that still sent with a replaced token would meet a 190
            # and block the account again.
            sealed = await dispatch.find_account_token(
                connection, tenant_id=ticket.tenant_id, waba_id=claimed[0].waba_id
            )
        MESSAGES_CLAIMED.inc(len(claimed))
        sent = await self._send_all(ticket, claimed, sealed, latest_start, stops)
        await self._record(ticket, sent, sealed)
        await tell_weather(self._pool, ticket, weather)
        return sent

    def abort(self) -> None:
        """Give up every call under way: each is recorded as in doubt, for its bytes have left."""
        for send in self._sends:
            send.cancel()

    async def _send_all(
        self,
        ticket: Ticket,
        claimed: list[ClaimedMessage],
        sealed: bytes | None,
        latest: LatestStart,
        stops: Stops,
    ) -> list[Sent]:
        try:
            api = self._api_for(ticket, sealed)
        except CarteiroError as error:
            await self._rest_number(ticket, claimed[0].waba_id, error.detail)
            wait = _NO_TOKEN_SECONDS
            return [_not_sent(item, wait_seconds=wait, detail=error.detail) for item in claimed]
        ready = await self._media.resolve(api, ticket, claimed)
        sends = [
            asyncio.create_task(self._send(api, ticket, message, latest, stops))
            for message in ready
            if isinstance(message, ClaimedMessage)
        ]
        self._sends.update(sends)
        try:
            ends = iter(await asyncio.gather(*sends, return_exceptions=True))
        finally:
            self._sends.difference_update(sends)
        return [
            _without_file(own, found) if isinstance(found, NoMedia) else _ended(own, next(ends))
            for own, found in zip(claimed, ready, strict=True)
        ]

    def _api_for(self, ticket: Ticket, sealed: bytes | None) -> CloudApi:
        if sealed is None:
            raise ConfigurationError("an account has no access token")
        token = open_token(ticket.tenant_id, sealed)
        return CloudApi(
            self._settings.meta_base_url, self._settings.meta_api_version, token, self._session
        )

    async def _rest_number(self, ticket: Ticket, waba_id: WabaId, why: str) -> None:
        """Every ticket would meet the same missing token: people are told, and claims rest."""
        try:
            async with platform_transaction(self._pool) as connection:
                await pause_number(
                    connection,
                    tenant_id=ticket.tenant_id,
                    phone_number_id=ticket.phone_number_id,
                    seconds=_NO_TOKEN_SECONDS,
                    reason=dispatch.NO_TOKEN_PAUSE,
                )
                await open_alert(
                    connection,
                    tenant_id=ticket.tenant_id,
                    kind="no_access_token",
                    subject=str(waba_id),
                    detail=f"Store a new access token: {why}",
                )
        except (Unavailable, psycopg.OperationalError) as error:
            _log.warning("a number could not be paused", problem=type(error).__name__)

    async def _send(
        self,
        api: CloudApi,
        ticket: Ticket,
        message: ClaimedMessage,
        latest: LatestStart,
        stops: Stops,
    ) -> Sent:
        async with self._gate:
            if latest.is_over() or self._stopping():
                # Our lease may end before an answer comes; somebody else will send it.
                return _not_sent(message, wait_seconds=0, detail="lease")
            weather, began_at = self._weather[ticket.phone_number_id], time.monotonic()
            if weather.is_resting(began_at):
                return _not_sent(message, wait_seconds=0, detail=REST_REASON)
            if await self._is_stopped(ticket, message, stops):
                return _not_sent(message, wait_seconds=0, detail="stopped")
            sent, given_up = await self._call(api, ticket, message, latest)
            answered = None if given_up else is_answered(sent.judgement.outcome)
            if answered is not None:
                weather.observe(answered=answered, began_at=began_at, at=time.monotonic())
            return sent

    async def _is_stopped(self, ticket: Ticket, message: ClaimedMessage, stops: Stops) -> bool:
        """Whether a claim that waited was stopped meanwhile; without a database nothing goes."""
        try:
            return await stops.holds(message.message_id, ticket.message_ids)
        except (Unavailable, psycopg.OperationalError):
            return True

    async def _call(
        self, api: CloudApi, ticket: Ticket, message: ClaimedMessage, latest: LatestStart
    ) -> tuple[Sent, bool]:
        """One call and its end; and whether we gave it up, which says nothing about Meta."""
        requested_at = utc_now()
        try:
            payload = addressed(
                message.content,
                to=message.address,
                callback_token=sign_callback(
                    ticket.tenant_id, message.message_id, message.attempt_no
                ),
            )
            answer = await api.send_message(
                ticket.phone_number_id, payload, before_bytes=partial(self._mark, message, latest)
            )
        except TooLate:
            return _not_sent(message, wait_seconds=0, detail="lease"), True
        except CarteiroError as error:
            moment = Moment(requested_at=requested_at, answered_at=utc_now())
            return Sent(message=message, judgement=judge_error(message, error, moment)), False
        except asyncio.CancelledError:
            moment = Moment(requested_at=requested_at, answered_at=utc_now())
            judgement = judge_in_doubt(message, moment, detail="the worker was stopped")
            return Sent(message=message, judgement=judgement), True
        moment = Moment(requested_at=requested_at, answered_at=utc_now())
        judgement = judge_accepted(message, answer, moment)
        return Sent(message=message, judgement=judgement, answer=answer), False

    def _mark(self, message: ClaimedMessage, latest: LatestStart) -> None:
        if latest.is_over():
            # Frozen since the gate: the claim may be somebody else's by now.
            raise TooLate
        if self._journal is not None:
            self._journal.mark(message.message_id, message.attempt_no)

    async def _record(self, ticket: Ticket, sent: list[Sent], sealed: bytes | None) -> None:
        """Write the outcomes; a database that is away for a moment gets some seconds to return."""
        for number in range(_RECORD_TRIES):
            try:
                await self._record_once(ticket, sent, sealed)
            except (Unavailable, psycopg.OperationalError):
                if number == _RECORD_TRIES - 1:
                    raise
                await asyncio.sleep(0.2 * 2**number)
            else:
                return

    async def _record_once(self, ticket: Ticket, sent: list[Sent], sealed: bytes | None) -> None:
        async with platform_transaction(self._pool) as connection:
            await dispatch.record_outcomes(
                connection,
                tenant_id=ticket.tenant_id,
                worker=self._worker,
                outcomes=[item.judgement.outcome for item in sent],
            )
            await dispatch.link_identities(
                connection, tenant_id=ticket.tenant_id, identities=_identities(sent)
            )
            await apply_consequences(connection, _consequences(ticket, sent, sealed))
        if self._journal is not None:
            self._journal.release((one.message.message_id, one.message.attempt_no) for one in sent)
        for item in sent:
            _count(item)


def _not_sent(message: ClaimedMessage, *, wait_seconds: int, detail: str) -> Sent:
    moment = Moment(requested_at=None, answered_at=utc_now())
    judgement = judge_not_sent(message, moment, wait_seconds=wait_seconds, detail=detail)
    return Sent(message=message, judgement=judgement)


def _without_file(message: ClaimedMessage, found: NoMedia) -> Sent:
    """Nothing left for a message whose file Meta does not have; it waits, or failed for good."""
    if found.error is None:
        return _not_sent(message, wait_seconds=found.wait_seconds, detail=found.detail)
    moment = Moment(requested_at=None, answered_at=utc_now())
    return Sent(message=message, judgement=judge_error(message, found.error, moment))


def _ended(message: ClaimedMessage, end: Sent | BaseException) -> Sent:
    """What is recorded of a send, also when it raised: its neighbours are recorded all the same."""
    if isinstance(end, Sent):
        return end
    if isinstance(end, asyncio.CancelledError):
        # Given up before its turn at the gate; a call under way answers for itself.
        return _not_sent(message, wait_seconds=0, detail="the worker was stopped")
    _log.error("a send failed in an unforeseen way", exc_info=end)
    moment = Moment(requested_at=None, answered_at=utc_now())
    return Sent(message=message, judgement=judge_in_doubt(message, moment, detail="unforeseen"))


def _count(item: Sent) -> None:
    outcome, error = item.judgement.outcome, item.judgement.error
    SEND_OUTCOMES.labels(outcome.state).inc()
    if error is not None:
        META_ERRORS.labels(error.name, error.action).inc()
    if outcome.requested_at and outcome.answered_at:
        SEND_SECONDS.observe((outcome.answered_at - outcome.requested_at).total_seconds())


def _identities(sent: list[Sent]) -> list[NewIdentity]:
    """Addresses Meta answered with that we did not send to (Brazil's and Mexico's prefixes)."""
    found = []
    for item in sent:
        answer, message = item.answer, item.message
        if answer and answer.wa_id and answer.wa_id != message.address.removeprefix("+"):
            found.append(
                NewIdentity(contact_id=message.contact_id, kind="wa_id", value=answer.wa_id)
            )
        if answer and answer.user_id and answer.user_id != message.address:
            found.append(
                NewIdentity(contact_id=message.contact_id, kind="bsuid", value=answer.user_id)
            )
    return found


def _consequences(ticket: Ticket, sent: list[Sent], sealed: bytes | None) -> list[Consequence]:
    return [
        Consequence(
            error=item.judgement.error,
            tenant_id=ticket.tenant_id,
            waba_id=item.message.waba_id,
            phone_number_id=ticket.phone_number_id,
            contact_id=item.message.contact_id,
            template_id=item.message.template_id,
            occurred_at=item.judgement.outcome.answered_at or utc_now(),
            refused_token=sealed,
            retry_after_seconds=item.judgement.retry_after_seconds,
        )
        for item in sent
        if item.judgement.error is not None
    ]
