"""What Meta says of templates, accounts and numbers, followed at once by running campaigns.

Each word is followed in the order in which Meta said it: an older one never undoes a newer, and
none undoes what a person did after it.
Sources: Meta, message_template_status_update, template categorization, account_update, messaging
limits, as read on 2026-09-11.
"""

from datetime import datetime
from typing import Final

from core.domain.ids import TemplateId, TenantId
from core.store import dispatch, notices, template_words
from core.store.database import Connection
from core.store.template_words import QualityWord, StatusWord
from core.whatsapp.updates import AccountUpdate, Restriction, TemplateChange, TemplateUpdate
from sender.consequences import open_alert
from sender.planner.repricing import reprice_plan

_CATEGORIES: Final = frozenset({"marketing", "utility", "authentication"})
_BLOCKING: Final = frozenset({"DISABLED_UPDATE", "ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED"})
_BLOCKING_RESTRICTION: Final = "RESTRICTED_BIZ_INITIATED_MESSAGING"
_UTILITY_CAP: Final = "RATE_LIMITED_UTILITY_TEMPLATE_MESSAGING"
_QUALITY_EVENTS: Final = {"FLAGGED": "RED", "UNFLAGGED": "UNKNOWN"}
_PHONE_QUALITY: Final = "phone_number_quality_update"


async def apply_template(
    connection: Connection, tenant_id: TenantId, update: TemplateUpdate, heard_at: datetime
) -> None:
    """Follow Meta's word on one template; `heard_at` counts where it says no time."""
    at = update.occurred_at or heard_at
    if update.change is TemplateChange.CATEGORY:
        await _apply_category(connection, tenant_id, update, at)
    if not update.event:
        return
    # The components are read again by the next sync.
    event = update.event.upper()
    found = await template_words.find_templates(connection, tenant_id=tenant_id, update=update)
    if update.change is TemplateChange.STATUS:
        statuses = [
            StatusWord(template_id=each, status=event, reason=update.reason) for each in found
        ]
        await template_words.follow_status(connection, tenant_id=tenant_id, words=statuses, at=at)
    elif update.change is TemplateChange.QUALITY:
        scores = [QualityWord(template_id=each, quality=event) for each in found]
        await template_words.follow_quality(connection, tenant_id=tenant_id, words=scores, at=at)


async def _apply_category(
    connection: Connection, tenant_id: TenantId, update: TemplateUpdate, at: datetime
) -> None:
    """What is charged changes with the done form; the notice only announces it."""
    now, following = update.category_now, update.category_next
    if not {now, following} - {None} <= _CATEGORIES:
        return
    for template in await notices.change_template_category(
        connection, tenant_id=tenant_id, update=update, at=at
    ):
        detail = f"{now or template.category_before} now"
        if following is not None:
            detail += f", {following} later"
        elif template.is_changed:
            repriced = await _reprice(connection, tenant_id, template.template_id)
            detail += f", {template.category_before} before; {repriced} campaigns priced anew"
        await open_alert(
            connection,
            tenant_id=tenant_id,
            kind="template_category",
            subject=update.meta_template_id,
            detail=detail,
        )


async def _reprice(connection: Connection, tenant_id: TenantId, template_id: TemplateId) -> int:
    """Price what its campaigns have not sent at the new category; returns how many."""
    stale = await notices.mark_prices_stale(
        connection, tenant_id=tenant_id, template_id=template_id
    )
    for campaign_id in sorted(stale):
        await reprice_plan(connection, tenant_id, campaign_id)
    return len(stale)


async def apply_account(
    connection: Connection, tenant_id: TenantId, update: AccountUpdate, heard_at: datetime
) -> None:
    """Follow Meta's word on an account or one of its numbers."""
    at = update.occurred_at or heard_at
    event = (update.event or "").upper()
    if update.field == _PHONE_QUALITY:
        await _apply_number(connection, tenant_id, update, event)
    if update.messaging_limit is not None:
        await _apply_limit(connection, tenant_id, update, at)
    if update.volume_tier is not None:
        await notices.reach_volume_tier(
            connection, tenant_id=tenant_id, waba_id=update.waba_id, tier=update.volume_tier, at=at
        )
    if update.field == "account_update":
        await _apply_standing(connection, tenant_id, update, event, at)
    elif update.field == "account_alerts" or event == "REJECTED":
        await _tell(connection, tenant_id, "account_notice", update, f"{update.field} {event}")


async def _apply_number(
    connection: Connection, tenant_id: TenantId, update: AccountUpdate, event: str
) -> None:
    digits = "".join(filter(str.isdigit, update.display_phone_number or ""))
    if event == "THROUGHPUT_UPGRADE":
        await notices.raise_throughput(
            connection, tenant_id=tenant_id, waba_id=update.waba_id, digits=digits
        )
    quality = _QUALITY_EVENTS.get(event)
    if quality is None:
        return
    numbers = await notices.change_number_quality(
        connection, tenant_id=tenant_id, waba_id=update.waba_id, digits=digits, quality=quality
    )
    for number in numbers if event == "FLAGGED" else ():
        await open_alert(
            connection,
            tenant_id=tenant_id,
            kind="number_flagged",
            subject=number,
            detail="Meta rates its quality as low; send less, and to people who expect it.",
        )


async def _apply_limit(
    connection: Connection, tenant_id: TenantId, update: AccountUpdate, at: datetime
) -> None:
    found = read_limit(update.messaging_limit or "")
    if found is not None:
        await notices.set_portfolio_limit(
            connection,
            tenant_id=tenant_id,
            waba_id=update.waba_id,
            people_per_day=found or None,
            at=at,
        )


def read_limit(said: str) -> int | None:
    """People a day of a messaging limit as Meta writes it: 0 is unlimited, None says nothing.

    `TIER_2K`, `TIER_UNLIMITED`, `2000`; NOT_SET and words to come say nothing.
    """
    word = said.strip().upper().removeprefix("TIER_")
    if word == "UNLIMITED":
        return 0
    thousands = 1_000 if word.endswith("K") else 1
    digits = word.removesuffix("K")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 7:
        return None
    return int(digits) * thousands or None


async def _apply_standing(
    connection: Connection,
    tenant_id: TenantId,
    update: AccountUpdate,
    event: str,
    at: datetime,
) -> None:
    """Bans, deletions, restrictions, and their end."""
    ban = (update.ban_state or "").upper()
    lifted = {"ACCOUNT_RECONNECTED": ["ACCOUNT_OFFBOARDED", "ACCOUNT_DELETED"]}.get(event)
    if event == "DISABLED_UPDATE" and ban == "REINSTATE":
        lifted = ["DISABLED_UPDATE"]
    if lifted is not None:
        await _unblock(connection, tenant_id, update, [f"Meta: {word}" for word in lifted], at)
    elif event in _BLOCKING and ban != "SCHEDULE_FOR_DISABLE":
        await _block(connection, tenant_id, update, event, None, at)
    elif event in _BLOCKING:
        await _tell(connection, tenant_id, "account_restricted", update, f"{event} {ban}")
    for restriction in update.restrictions:
        await _restrict(connection, tenant_id, update, restriction, at)
    if update.violation is not None:
        await _tell(connection, tenant_id, "account_restricted", update, update.violation)


async def _restrict(
    connection: Connection,
    tenant_id: TenantId,
    update: AccountUpdate,
    restriction: Restriction,
    at: datetime,
) -> None:
    until = restriction.expires_at
    if until is not None and until <= at:
        return
    if restriction.kind == _BLOCKING_RESTRICTION:
        await _block(connection, tenant_id, update, restriction.kind, until, at)
        return
    if restriction.kind == _UTILITY_CAP and until is not None:
        await notices.cap_utility(
            connection, tenant_id=tenant_id, waba_id=update.waba_id, until=until
        )
    ends = "" if until is None else f" until {until.isoformat()}"
    await _tell(connection, tenant_id, "account_restricted", update, restriction.kind + ends)


async def _block(
    connection: Connection,
    tenant_id: TenantId,
    update: AccountUpdate,
    word: str,
    until: datetime | None,
    at: datetime,
) -> None:
    """Stop the account, unless a person has lifted this since."""
    lifted_since = await dispatch.is_outdated(
        connection,
        tenant_id=tenant_id,
        kind="account_blocked",
        subject=update.waba_id,
        occurred_at=at,
        waba_id=update.waba_id,
        refused_token=None,
    )
    if not lifted_since and await notices.block_account(
        connection,
        tenant_id=tenant_id,
        waba_id=update.waba_id,
        reason=f"Meta: {word}",
        until=until,
        at=at,
    ):
        ends = "" if until is None else f" until {until.isoformat()}"
        await _tell(connection, tenant_id, "account_blocked", update, word + ends)


async def _unblock(
    connection: Connection,
    tenant_id: TenantId,
    update: AccountUpdate,
    reasons: list[str],
    at: datetime,
) -> None:
    if await notices.unblock_account(
        connection, tenant_id=tenant_id, waba_id=update.waba_id, reasons=reasons, at=at
    ):
        await notices.close_alerts(
            connection,
            tenant_id=tenant_id,
            kind="account_blocked",
            subjects=[update.waba_id],
            at=at,
        )


async def _tell(
    connection: Connection, tenant_id: TenantId, kind: str, update: AccountUpdate, detail: str
) -> None:
    await open_alert(
        connection, tenant_id=tenant_id, kind=kind, subject=update.waba_id, detail=detail
    )
