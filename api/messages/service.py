"""Single messages: checked, frozen and queued in one transaction; the sender does the rest."""

import json
import time
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from api.deps import Caller
from api.dto import Answer, Page
from api.list_filters import Made
from api.messages.content import frozen_content
from api.messages.schemas import (
    Message,
    MessageSummary,
    QueuedMessage,
    SendMessage,
    TemplateToSend,
)
from api.pagination import Pager
from api.problems import Problem
from api.regions import tenant_region
from api.rows import execute, fetch_all, fetch_known, fetch_one
from core.domain.ids import MessageId, new_id
from core.domain.market import MarketMap
from core.domain.phone import normalise_phone
from core.errors import InvalidInput
from core.store.contacts import Person, save_people
from core.store.database import Connection
from core.store.markets import read_market_map
from core.store.queries import load

_sql = load("messages")
_contacts = load("contacts")
_consents = load("consents")
_templates = load("templates")
_MARKETS_KEPT_SECONDS: Final = 300.0


class _Sender(Answer):
    phone_number_id: str
    waba_id: str
    timezone: str


class _Recipient(Answer):
    contact_id: UUID
    address: str
    country: str | None
    pseudonym: UUID


class _Permission(Answer):
    granted: bool | None
    consent_id: UUID | None
    suppressed_for: str | None


class StoredTemplate(Answer):
    """A template row as far as sending needs it."""

    template_id: UUID
    waba_id: str
    meta_template_id: str
    name: str
    language: str
    category: str
    status: str
    quality: str
    components: list[dict[str, object]]
    parameter_format: str
    version_hash: str
    halted_reason: str | None
    synced_at: datetime


class _Markets:
    """The market map, read again every few minutes."""

    def __init__(self) -> None:
        self._map: MarketMap | None = None
        self._read_at = 0.0

    async def current(self, connection: Connection) -> MarketMap:
        if self._map is None or time.monotonic() - self._read_at > _MARKETS_KEPT_SECONDS:
            self._map = await read_market_map(connection)
            self._read_at = time.monotonic()
        return self._map


_markets = _Markets()


async def queue_message(
    connection: Connection, caller: Caller, wanted: SendMessage
) -> QueuedMessage:
    """Check and queue one message outside any campaign.

    Raises InvalidInput for an unknown number or template, InvalidPhone, NotFound for an unknown
    contact, and Problem when the template can't be sent or the person must not be written to.
    """
    sender = await _sender(connection, caller, wanted.phone_number_id)
    template = await _template(connection, caller, sender, wanted.template)
    content = frozen_content(wanted, template)
    category = template.category if template else "service"
    recipient = await _recipient(connection, caller, wanted)
    await _check_permission(connection, caller, recipient, category)
    now = caller.state.clock.now()
    markets = await _markets.current(connection)
    today = now.astimezone(ZoneInfo(sender.timezone)).date()
    market = markets.market_for(recipient.address, today)
    message_id = MessageId(new_id())
    caller.audit(
        target_kind="message",
        target_id=message_id,
        details={"contact_id": str(recipient.contact_id)},
    )
    lifetime = wanted.expires_in_seconds
    await execute(
        connection,
        _sql.insert_single_message,
        {
            "tenant_id": caller.tenant_id,
            "message_id": message_id,
            "contact_id": recipient.contact_id,
            "contact_pseudonym": recipient.pseudonym,
            "phone_number_id": sender.phone_number_id,
            "waba_id": sender.waba_id,
            "address": recipient.address,
            "country": recipient.country,
            "market": market,
            "kind": "template" if template else "text",
            "template_id": template.template_id if template else None,
            "category": category,
            "content": json.dumps(content),
            "expires_at": now + timedelta(seconds=lifetime) if lifetime else None,
        },
    )
    return QueuedMessage(
        message_id=message_id,
        contact_id=recipient.contact_id,
        kind="template" if template else "text",
        category=category,
        market=market,
        created_at=now,
    )


async def get_message(caller: Caller, message_id: UUID) -> Message:
    """One message."""
    async with caller.transaction() as connection:
        return await fetch_known(
            connection,
            Message,
            _sql.get_message,
            {"tenant_id": caller.tenant_id, "message_id": message_id},
            what="message",
        )


async def list_messages(
    caller: Caller,
    pager: Pager,
    *,
    made: Made,
    campaign_id: UUID | None,
    contact_id: UUID | None,
    state: str | None,
) -> Page[MessageSummary]:
    """The tenant's messages that fit the filters, newest first."""
    async with caller.transaction() as connection:
        rows = await fetch_all(
            connection,
            MessageSummary,
            _sql.list_messages,
            {
                "tenant_id": caller.tenant_id,
                "after": pager.after_id,
                **made.near_ids(),
                "campaign_id": campaign_id,
                "contact_id": contact_id,
                "state": state,
                "limit": pager.fetch,
            },
        )
    return pager.page(rows, lambda row: row.message_id)


async def _sender(connection: Connection, caller: Caller, phone_number_id: str) -> _Sender:
    sender = await fetch_one(
        connection,
        _Sender,
        _sql.get_sender,
        {"tenant_id": caller.tenant_id, "phone_number_id": phone_number_id},
    )
    if sender is None:
        raise InvalidInput("there is no such number", pointer="/phone_number_id")
    return sender


async def _template(
    connection: Connection, caller: Caller, sender: _Sender, wanted: TemplateToSend | None
) -> StoredTemplate | None:
    if wanted is None:
        return None
    by_id = wanted.template_id is not None
    template = await fetch_one(
        connection,
        StoredTemplate,
        _templates.get_template if by_id else _templates.find_template,
        {
            "tenant_id": caller.tenant_id,
            "template_id": wanted.template_id,
            "waba_id": sender.waba_id,
            "name": wanted.name,
            "language": wanted.language,
        },
    )
    if template is None:
        raise InvalidInput("there is no such template", pointer="/template")
    if template.waba_id != sender.waba_id:
        raise InvalidInput(
            "the template belongs to another WhatsApp account than the number", pointer="/template"
        )
    if template.status != "APPROVED" or template.halted_reason is not None:
        raise Problem(
            "template-not-sendable", f"the template is {template.halted_reason or template.status}"
        )
    return template


async def _recipient(connection: Connection, caller: Caller, wanted: SendMessage) -> _Recipient:
    """The person: by id, or by number, and then made when unknown."""
    contact_id = wanted.contact_id
    if contact_id is None:
        region = await tenant_region(connection, caller.tenant_id)
        phone = normalise_phone(wanted.to or "", region)
        [saved] = await save_people(connection, caller.tenant_id, [Person(phone=phone)])
        contact_id = saved.contact_id
    return await fetch_known(
        connection,
        _Recipient,
        _contacts.get_contact_identity,
        {"tenant_id": caller.tenant_id, "contact_id": contact_id},
        what="contact",
    )


async def _check_permission(
    connection: Connection, caller: Caller, recipient: _Recipient, category: str
) -> None:
    """Marketing needs a yes; anything else needs that nobody has said no."""
    permission = await fetch_known(
        connection,
        _Permission,
        _consents.get_sending_permission,
        {
            "tenant_id": caller.tenant_id,
            "contact_id": recipient.contact_id,
            "purpose": category,
        },
        what="contact",
    )
    if permission.granted is False:
        raise Problem("opted-out", f"the person has withdrawn consent to {category} messages")
    if permission.suppressed_for is not None:
        raise Problem("suppressed", f"the person is suppressed: {permission.suppressed_for}")
    if category != "marketing":
        return
    if permission.granted is None:
        raise Problem("consent-missing", "the person hasn't agreed to marketing messages")
    # Meta answers such sends with an error since 2025-04-01 (Per-user limits, as read 2026-09-11).
    if recipient.country == "US":
        raise Problem("us-marketing", "marketing templates aren't delivered to US numbers")
