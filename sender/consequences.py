"""What an error means beyond the one message: slow down, pause, halt, suppress, tell people.

The worker learns errors from answers, the applier from `failed` webhooks; both end here. The atlas
(core/domain/provider_errors.py) decides, this module only carries it out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from core.domain.ids import (
    ContactId,
    MessageId,
    PhoneNumberId,
    TemplateId,
    TenantId,
    WabaId,
    new_id,
)
from core.domain.provider_errors import ErrorAction, ErrorScope, ProviderError, RetryClass
from core.store import dispatch, notices, pacing
from core.store.consents import meta_word, record_words
from core.store.database import Connection
from core.store.merges import hold_contacts
from core.store.queries import load

_SQL = load("dispatch")
_APP_LIMIT: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """An error and whom it is about."""

    error: ProviderError
    tenant_id: TenantId
    waba_id: WabaId
    phone_number_id: PhoneNumberId
    contact_id: ContactId | None
    template_id: TemplateId | None
    occurred_at: datetime
    refused_token: bytes | None = None
    """The account's token, sealed as it was stored, when Meta answered a call made with it."""
    retry_after_seconds: int | None = None
    """How long Meta asked us to wait, when its answer said so."""


async def apply_consequences(connection: Connection, found: Iterable[Consequence]) -> None:
    """Carry out each consequence once, in a fixed order so that two processes cannot deadlock."""
    unique: dict[tuple[str, ...], Consequence] = {}
    for consequence in found:
        unique.setdefault(_subject(consequence), consequence)
    for _, consequence in sorted(unique.items()):
        await _apply(connection, consequence)


def _subject(consequence: Consequence) -> tuple[str, ...]:
    """What a consequence is about: a thousand throttled sends slow their number once."""
    error = consequence.error
    if error.action is ErrorAction.BLOCK and error.category is None:
        # One country an entry, and only the person tells which.
        return (
            error.action,
            str(error.code),
            str(consequence.tenant_id),
            str(consequence.contact_id),
        )
    subject = {
        ErrorScope.RECIPIENT: consequence.contact_id,
        ErrorScope.MESSAGE: consequence.template_id,
        ErrorScope.TEMPLATE: consequence.template_id,
        ErrorScope.NUMBER: consequence.phone_number_id,
        ErrorScope.ACCOUNT: consequence.waba_id,
    }[error.scope]
    return (error.action, str(error.code), str(consequence.tenant_id), str(subject))


async def _apply(connection: Connection, consequence: Consequence) -> None:
    error = consequence.error
    if error.action is ErrorAction.DELAY:
        await _delay(connection, consequence)
    elif error.action is ErrorAction.SUPPRESS:
        await _suppress(connection, consequence)
    elif error.action is ErrorAction.BLOCK and error.category is None:
        await _block_country(connection, consequence)
    elif error.alerts and error.known:
        await _stop(connection, consequence)
    if not error.known:
        await open_alert(
            connection,
            tenant_id=consequence.tenant_id,
            kind="unknown_error_code",
            subject=str(error.code),
            detail=error.advice,
        )


async def _delay(connection: Connection, consequence: Consequence) -> None:
    """Slow a number, or rest what would meet the same answer, instead of asking again.

    The numbers of an account that met its limit rest and slow down. 4 is the limit of our app:
    everybody else slows down, too.
    """
    error, asked = consequence.error, consequence.retry_after_seconds or 0
    slows = error.scope is ErrorScope.NUMBER and (error.wait_seconds or 1) <= 1
    if slows:
        await dispatch.run(
            connection,
            _SQL.slow_number,
            tenant_id=consequence.tenant_id,
            phone_number_id=consequence.phone_number_id,
        )
    if error.scope is ErrorScope.NUMBER and (asked or not slows):
        await pause_number(
            connection,
            tenant_id=consequence.tenant_id,
            phone_number_id=consequence.phone_number_id,
            seconds=max(error.wait_seconds or 0, asked),
            reason=f"{error.code} {error.name}",
        )
    elif error.scope is ErrorScope.ACCOUNT:
        await pacing.rest_account(
            connection,
            tenant_id=consequence.tenant_id,
            waba_id=consequence.waba_id,
            seconds=max(error.wait_seconds or 0, asked),
            reason=f"{error.code} {error.name}",
        )
    if error.code == _APP_LIMIT:
        await pacing.slow_every_number(connection)


async def _suppress(connection: Connection, consequence: Consequence) -> None:
    error, contact_id = consequence.error, consequence.contact_id
    if contact_id is None:
        return
    # The message was claimed some seconds ago, or sent days ago.
    contact_id = (await hold_contacts(connection, {(consequence.tenant_id, contact_id)}))[
        contact_id
    ]
    if error.writes_opt_out:
        word = meta_word(
            tenant_id=consequence.tenant_id,
            contact_id=contact_id,
            granted=False,
            channel="whatsapp_error",
            evidence={"error_code": str(error.code)},
            occurred_at=consequence.occurred_at,
        )
        await record_words(connection, [word])
        return
    if error.category is not None:
        await notices.suppress_category(
            connection,
            tenant_id=consequence.tenant_id,
            contact_id=contact_id,
            error=error,
            occurred_at=consequence.occurred_at,
        )
        return
    await dispatch.run(
        connection,
        _SQL.suppress_contact,
        tenant_id=consequence.tenant_id,
        contact_id=contact_id,
        reason=error.name,
        error_code=error.code,
        seconds=error.wait_seconds,
    )


async def _block_country(connection: Connection, consequence: Consequence) -> None:
    """Meta lets this account write to nobody in the person's country."""
    if consequence.contact_id is None:
        return
    country = await notices.block_country(
        connection,
        tenant_id=consequence.tenant_id,
        waba_id=consequence.waba_id,
        contact_id=consequence.contact_id,
        occurred_at=consequence.occurred_at,
    )
    if country is not None:
        await open_alert(
            connection,
            tenant_id=consequence.tenant_id,
            kind="country_blocked",
            subject=f"{consequence.waba_id}/{country}",
            detail=consequence.error.advice,
        )


async def _stop(connection: Connection, consequence: Consequence) -> None:
    error = consequence.error
    reason = f"{error.code} {error.name}"
    tenant_id = consequence.tenant_id
    kind, subject = _stopped(consequence)
    if subject is None or await _is_outdated(connection, consequence, kind, subject):
        return
    if error.action is ErrorAction.BREAKER:
        await dispatch.run(
            connection, _SQL.block_account, tenant_id=tenant_id, waba_id=subject, reason=reason
        )
    elif error.action is ErrorAction.BLOCK:
        await notices.halt_category(
            connection,
            tenant_id=tenant_id,
            waba_id=consequence.waba_id,
            category=str(error.category),
            reason=reason,
            seconds=error.wait_seconds,
        )
    elif error.action is ErrorAction.PAUSE:
        heals = error.retry is RetryClass.PAUSE
        await dispatch.run(
            connection,
            _SQL.pause_number,
            tenant_id=tenant_id,
            phone_number_id=subject,
            seconds=error.wait_seconds if heals else None,
            reason=reason,
        )
    else:
        await dispatch.run(
            connection,
            _SQL.halt_template,
            tenant_id=tenant_id,
            template_id=subject,
            reason=reason,
        )
    await open_alert(
        connection, tenant_id=tenant_id, kind=kind, subject=subject, detail=error.advice
    )


def _stopped(consequence: Consequence) -> tuple[str, str | None]:
    """The alert's kind, and what stops; None when a template stops and there was none."""
    if consequence.error.action is ErrorAction.BREAKER:
        return "account_blocked", str(consequence.waba_id)
    if consequence.error.action is ErrorAction.PAUSE:
        return "number_paused", str(consequence.phone_number_id)
    if consequence.error.action is ErrorAction.BLOCK:
        return "category_blocked", f"{consequence.waba_id}/{consequence.error.category}"
    template_id = consequence.template_id
    return "template_halted", str(template_id) if template_id else None


async def _is_outdated(
    connection: Connection, consequence: Consequence, kind: str, subject: str
) -> bool:
    """Whether a person lifted this stop after the evidence: late news must not undo the lift."""
    breaker = consequence.error.action is ErrorAction.BREAKER
    return await dispatch.is_outdated(
        connection,
        tenant_id=consequence.tenant_id,
        kind=kind,
        subject=subject,
        occurred_at=consequence.occurred_at,
        waba_id=consequence.waba_id,
        refused_token=consequence.refused_token if breaker else None,
    )


async def open_alert(
    connection: Connection, *, tenant_id: TenantId, kind: str, subject: str, detail: str
) -> None:
    """Tell people about a subject, once while it is open; later times are counted."""
    await dispatch.run(
        connection,
        _SQL.open_alert,
        tenant_id=tenant_id,
        alert_id=new_id(),
        kind=kind,
        subject=subject,
        detail=detail,
    )


async def open_quarantine_alerts(
    connection: Connection, messages: Iterable[tuple[TenantId, MessageId]]
) -> None:
    """Tell people about messages that no worker may try again."""
    for tenant_id, message_id in sorted(messages):
        await open_alert(
            connection,
            tenant_id=tenant_id,
            kind="message_quarantined",
            subject=str(message_id),
            detail=(
                f"{dispatch.QUARANTINE_AFTER} workers in a row ended while they held it, so nobody"
                " claims it again. It may or may not have been sent."
            ),
        )


async def pause_number(
    connection: Connection,
    *,
    tenant_id: TenantId,
    phone_number_id: PhoneNumberId,
    seconds: int | None,
    reason: str,
) -> None:
    """Stop claims on a number for some seconds; None: until somebody lifts it."""
    await dispatch.run(
        connection,
        _SQL.pause_number,
        tenant_id=tenant_id,
        phone_number_id=phone_number_id,
        seconds=seconds,
        reason=reason,
    )
