"""Checks and queues messages outside any campaign: one, or many, by the same statements.

What can't be sent is an exception in the place of its message: a single request raises it, a bulk
request tells it of the item.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from api.deps import Caller
from api.dto import Answer
from api.messages.content import frozen_content
from api.messages.schemas import QueuedMessage, SendMessage, TemplateToSend
from api.problems import Problem
from api.regions import tenant_region
from api.rows import execute, fetch_all, fetch_one
from core.domain.ids import ContactId, MessageId, new_id
from core.domain.market import MarketMap
from core.domain.phone import PhoneAddress, normalise_phone
from core.errors import CarteiroError, InvalidInput, NotFound
from core.store.contacts import Person, find_people, save_people
from core.store.database import Connection
from core.store.markets import read_market_map
from core.store.queries import load
from core.whatsapp.payloads import Payload

_sql = load("messages")
_templates = load("templates")
_consents = load("consents")
_MARKETS_KEPT_SECONDS: Final = 300.0

Refusal = Problem | CarteiroError


class _Sender(Answer):
    phone_number_id: str
    waba_id: str
    timezone: str


class _Recipient(Answer):
    position: int
    contact_id: UUID
    address: str
    country: str | None
    pseudonym: UUID
    granted: bool | None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A message whose number and content are right; to whom is found out next."""

    position: int
    wanted: SendMessage
    sender: _Sender
    template: StoredTemplate | None
    content: Payload
    phone: PhoneAddress | None
    contact_id: UUID | None

    @property
    def category(self) -> str:
        return self.template.category if self.template else "service"


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


async def queue_messages(
    connection: Connection, caller: Caller, wanted: Sequence[SendMessage]
) -> list[QueuedMessage | Refusal]:
    """Queue those that may be sent; for each, in their order, the message or why there is none.

    Refusals: InvalidInput for an unknown number or template, InvalidPhone, NotFound for an unknown
    contact, and Problem when the template can't be sent or the person must not be written to. An
    unknown person is made by an accepted message only.
    """
    outcomes: dict[int, QueuedMessage | Refusal] = {}
    drafts = await _drafted(connection, caller, wanted, outcomes)
    drafts = await _refuse_unknown(connection, caller, drafts, outcomes)
    drafts = await _with_contacts(connection, caller, drafts)
    accepted = await _permitted(connection, caller, drafts, outcomes)
    await _insert(connection, caller, accepted, outcomes)
    return [outcomes[position] for position in range(len(wanted))]


async def _drafted(
    connection: Connection,
    caller: Caller,
    wanted: Sequence[SendMessage],
    outcomes: dict[int, QueuedMessage | Refusal],
) -> list[_Draft]:
    numbers = {message.phone_number_id for message in wanted}
    place = {"tenant_id": caller.tenant_id, "phone_number_ids": list(numbers)}
    rows = await fetch_all(connection, _Sender, _sql.list_senders, place)
    senders = {row.phone_number_id: row for row in rows}
    templates: dict[tuple[str, object], StoredTemplate | None] = {}
    by_number = any(message.to is not None for message in wanted)
    region = await tenant_region(connection, caller.tenant_id) if by_number else ""
    drafts = []
    for position, message in enumerate(wanted):
        try:
            sender = senders.get(message.phone_number_id)
            if sender is None:
                raise InvalidInput("there is no such number", pointer="/phone_number_id")
            template = await _template(connection, caller, sender, message.template, templates)
            drafts.append(
                _Draft(
                    position=position,
                    wanted=message,
                    sender=sender,
                    template=template,
                    content=frozen_content(message, template),
                    phone=None if message.to is None else normalise_phone(message.to, region),
                    contact_id=message.contact_id,
                )
            )
        except (Problem, CarteiroError) as refusal:
            outcomes[position] = refusal
    return drafts


async def _template(
    connection: Connection,
    caller: Caller,
    sender: _Sender,
    wanted: TemplateToSend | None,
    known: dict[tuple[str, object], StoredTemplate | None],
) -> StoredTemplate | None:
    """The template of a message, read once a request. Raises InvalidInput and Problem."""
    if wanted is None:
        return None
    by_id = wanted.template_id is not None
    name = (sender.waba_id, wanted.template_id or (wanted.name, wanted.language))
    if name not in known:
        known[name] = await fetch_one(
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
    template = known[name]
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


async def _refuse_unknown(
    connection: Connection,
    caller: Caller,
    drafts: Sequence[_Draft],
    outcomes: dict[int, QueuedMessage | Refusal],
) -> list[_Draft]:
    """Without those to people nobody knows, where it takes a consent: nobody is made for them."""
    asked = [draft for draft in drafts if draft.phone and draft.category == "marketing"]
    known = await find_people(
        connection, caller.tenant_id, [draft.phone for draft in asked if draft.phone]
    )
    strangers = {draft.position for at, draft in enumerate(asked) if at not in known}
    for position in strangers:
        outcomes[position] = _no_consent()
    return [draft for draft in drafts if draft.position not in strangers]


async def _with_contacts(
    connection: Connection, caller: Caller, drafts: Sequence[_Draft]
) -> list[_Draft]:
    """With the contact of each number; people who are unknown are made, each once."""
    people = {draft.phone.match_key: draft.phone for draft in drafts if draft.phone}
    saved = await save_people(
        connection, caller.tenant_id, [Person(phone=phone) for phone in people.values()]
    )
    ids: dict[str, ContactId] = {
        key: person.contact_id for key, person in zip(people, saved, strict=True)
    }
    return [
        replace(draft, contact_id=ids[draft.phone.match_key]) if draft.phone else draft
        for draft in drafts
    ]


async def _permitted(
    connection: Connection,
    caller: Caller,
    drafts: Sequence[_Draft],
    outcomes: dict[int, QueuedMessage | Refusal],
) -> list[tuple[_Draft, _Recipient]]:
    """Those whom nothing forbids to write to, with what a row needs to know of them."""
    place = {
        "tenant_id": caller.tenant_id,
        "contact_ids": [draft.contact_id for draft in drafts],
        "purposes": [draft.category for draft in drafts],
    }
    # Held first: who is merged away meanwhile is looked at no more.
    await execute(connection, _consents.hold_recipients, place)
    rows = await fetch_all(connection, _Recipient, _consents.list_recipients, place)
    found = {row.position: row for row in rows}
    accepted = []
    for at, draft in enumerate(drafts):
        recipient = found.get(at)
        refusal = (
            NotFound("there is no such contact")
            if recipient is None
            else _forbidden(recipient, draft.category)
        )
        if refusal is not None:
            outcomes[draft.position] = refusal
        elif recipient is not None:
            accepted.append((draft, recipient))
    return accepted


def _forbidden(recipient: _Recipient, category: str) -> Refusal | None:
    """Marketing needs a yes; anything else needs that nobody has said no."""
    if recipient.granted is False:
        return Problem("opted-out", f"the person has withdrawn consent to {category} messages")
    if recipient.suppressed_for is not None:
        return Problem("suppressed", f"the person is suppressed: {recipient.suppressed_for}")
    if category != "marketing":
        return None
    if recipient.granted is None:
        return _no_consent()
    # Meta answers such sends with an error since 2025-04-01 (Per-user limits, as read 2026-09-11).
    if recipient.country == "US":
        return Problem("us-marketing", "marketing templates aren't delivered to US numbers")
    return None


def _no_consent() -> Problem:
    return Problem("consent-missing", "the person hasn't agreed to marketing messages")


async def _insert(
    connection: Connection,
    caller: Caller,
    accepted: Sequence[tuple[_Draft, _Recipient]],
    outcomes: dict[int, QueuedMessage | Refusal],
) -> None:
    if not accepted:
        return
    now = caller.state.clock.now()
    markets = await _markets.current(connection)
    rows = []
    for draft, recipient in accepted:
        today = now.astimezone(ZoneInfo(draft.sender.timezone)).date()
        lifetime = draft.wanted.expires_in_seconds
        message = QueuedMessage(
            message_id=MessageId(new_id()),
            contact_id=recipient.contact_id,
            kind="template" if draft.template else "text",
            category=draft.category,
            market=markets.market_for(recipient.address, today),
            created_at=now,
        )
        outcomes[draft.position] = message
        expires_at = now + timedelta(seconds=lifetime) if lifetime else None
        rows.append(
            {
                **message.model_dump(mode="json", exclude={"state", "created_at"}),
                "contact_pseudonym": str(recipient.pseudonym),
                "phone_number_id": draft.sender.phone_number_id,
                "waba_id": draft.sender.waba_id,
                "address": recipient.address,
                "country": recipient.country,
                "template_id": str(draft.template.template_id) if draft.template else None,
                "content": draft.content,
                "expires_at": expires_at.isoformat() if expires_at else None,
            }
        )
    parameters = {"tenant_id": caller.tenant_id, "messages": json.dumps(rows)}
    await execute(connection, _sql.insert_single_messages, parameters)
