"""What people do: write, call, stop, change their number. Who they are, and what follows from it.

A message is stored once, opens the window, and may withdraw or agree. A person who writes first
becomes a contact without any consent. Two contacts that turn out to be one person are merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.domain.consent import NO_ADDITIONS, ConsentAction, Keywords, find_keyword
from core.domain.ids import ContactId, TenantId, new_id
from core.domain.service_window import opens_window
from core.store import inbound
from core.store.consents import Word, meta_word, record_words
from core.store.database import Connection
from core.store.inbound import NewInbound, Opening, Place
from core.store.merges import hold_contacts
from core.store.opt_outs import Withdrawal, answer_opt_outs, list_refusals
from core.whatsapp.updates import (
    CallUpdate,
    HistoryUpdate,
    InboundMessage,
    PreferenceUpdate,
    Update,
    UserIdUpdate,
)
from sender.applier.arrivals import Arrived, is_timely, put_aside
from sender.applier.identities import Sender, apply_change, find_senders, names_of_change

PEOPLE: Final = (InboundMessage, CallUpdate, PreferenceUpdate, UserIdUpdate)
"""The kinds of updates that `apply_people` takes."""
_USER_INITIATED: Final = "USER_INITIATED"
_MARKETING: Final = "marketing_messages"

Said = InboundMessage | CallUpdate | PreferenceUpdate


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """Something a known person said, with everything that was looked up."""

    arrived: Arrived[Update]
    update: Said
    place: Place
    contact_id: ContactId


async def apply_people(connection: Connection, arrived: Sequence[Arrived[Update]]) -> None:
    """Apply updates of people within the caller's transaction, in their order.

    What one says before and after a change of number is heard on either side of it.
    """
    waiting: list[Arrived[Update]] = []
    for item in arrived:
        if not _is_change(item.update):
            waiting.append(item)
            continue
        await _hear(connection, waiting)
        waiting = []
        place = (await _places(connection, [item])).get(item.body_key)
        if place is None:
            await put_aside(connection, item, None, "unknown_number", "identity")
        elif not is_timely(item.received_at, _said_at(item)):
            await put_aside(connection, item, place.tenant_id, "impossible_time", "identity")
        else:
            await apply_change(connection, item, place)
    await _hear(connection, waiting)


async def senders_of(
    connection: Connection, arrived: Sequence[Arrived[Update]]
) -> list[tuple[Sender, ...]]:
    """Everybody these updates are of: as they are named, or before and after a change."""
    places = await _places(connection, arrived)
    senders: list[tuple[Sender, ...]] = []
    for item in arrived:
        place, update = places.get(item.body_key), item.update
        if place is None:
            continue
        if isinstance(update, HistoryUpdate):
            senders += [(_sender(message, place),) for message in update.messages]
        if _is_change(update):
            senders.append(names_of_change(item, place) or ())
        elif isinstance(update, Said) and _speaks(update):
            senders.append((_sender(update, place),))
    return senders


def _said_at(item: Arrived[Update]) -> datetime:
    """When a change happened; Meta need not say it of a business-scoped id."""
    at: datetime | None = getattr(item.update, "occurred_at", None)
    return at or item.received_at


def _is_change(update: Update) -> bool:
    if isinstance(update, InboundMessage):
        return update.is_system
    return isinstance(update, UserIdUpdate)


async def _hear(connection: Connection, arrived: Sequence[Arrived[Update]]) -> None:
    spoken = [item for item in arrived if _speaks(item.update)]
    if not spoken:
        return
    places = await _places(connection, spoken)
    senders: list[tuple[Arrived[Update], Said, Place]] = []
    for item in spoken:
        update, place = item.update, places.get(item.body_key)
        if not isinstance(update, Said):
            continue
        if place is None:
            await put_aside(connection, item, None, "unknown_number", type(update).__name__)
        elif not is_timely(item.received_at, update.occurred_at):
            await put_aside(
                connection, item, place.tenant_id, "impossible_time", type(update).__name__
            )
        else:
            senders.append((item, update, place))
    contacts = await find_senders(
        connection, [_sender(update, place) for _, update, place in senders]
    )
    heard: list[_Heard] = []
    for (item, update, place), contact_id in zip(senders, contacts, strict=True):
        if contact_id is None:
            await put_aside(
                connection, item, place.tenant_id, "unknown_contact", type(update).__name__
            )
        else:
            heard.append(_Heard(arrived=item, update=update, place=place, contact_id=contact_id))
    await _write(connection, heard)


def _speaks(update: Update) -> bool:
    """A call of ours, and what is said to a group, is no word of a person to this number."""
    if isinstance(update, CallUpdate):
        return (update.direction or _USER_INITIATED) == _USER_INITIATED
    return not isinstance(update, InboundMessage) or update.group_id is None


def _sender(update: Said, place: Place) -> Sender:
    if isinstance(update, PreferenceUpdate):
        wa_id, user_id = update.wa_id, update.user_id
    else:
        wa_id, user_id = update.from_wa_id, update.from_user_id
    return Sender(place=place, wa_id=wa_id, user_id=user_id, occurred_at=update.occurred_at)


async def _write(connection: Connection, heard: Sequence[_Heard]) -> None:
    known = await hold_contacts(
        connection, {(item.place.tenant_id, item.contact_id) for item in heard}
    )
    heard = [replace(item, contact_id=known[item.contact_id]) for item in heard]
    tenants = {item.place.tenant_id for item in heard}
    keywords = await inbound.list_keywords(connection, tenants) if tenants else {}
    messages = [(item, _stored(item)) for item in heard if isinstance(item.update, InboundMessage)]
    new = await inbound.insert_inbound(connection, [message for _, message in messages])
    fresh = [item for item, message in messages if message.inbound_id in new]
    others = [item for item in heard if not isinstance(item.update, InboundMessage)]
    await inbound.open_windows(
        connection, [opening for item in (*fresh, *others) for opening in _openings(item)]
    )
    said = [(item, word) for item in (*fresh, *others) for word in _words(item, keywords)]
    await _record(connection, said)


async def _record(connection: Connection, said: Sequence[tuple[_Heard, Word]]) -> None:
    """Write what was said into the ledger; who left by it gets the tenant's answer, if any.

    Somebody who had left before says nothing new: no machine makes us answer it for ever.
    """
    leaving = [
        item for item, word in said if not word.granted and isinstance(item.update, InboundMessage)
    ]
    gone = await list_refusals(
        connection, {(item.place.tenant_id, item.contact_id) for item in leaving}
    )
    await record_words(connection, [word for _, word in said])
    await answer_opt_outs(
        connection,
        [
            Withdrawal(
                tenant_id=item.place.tenant_id,
                phone_number_id=item.update.phone_number_id,
                contact_id=item.contact_id,
                said_at=item.update.occurred_at,
            )
            for item in leaving
            if item.contact_id not in gone and isinstance(item.update, InboundMessage)
        ],
    )


async def apply_history(connection: Connection, arrived: Arrived[HistoryUpdate]) -> None:
    """Keep what people wrote before the number came to us: nothing of it is news.

    Each message is stored once; one that came live, too, is live. It opens no window and nobody is
    told of it or answered. A withdrawal of then is a withdrawal; an agreement of then was given
    without anything to show for it, and counts for nothing.
    """
    update = arrived.update
    place = (await inbound.list_places(connection, [update.phone_number_id])).get(
        update.phone_number_id
    )
    if place is None or place.waba_id != update.waba_id:
        await put_aside(connection, arrived, None, "unknown_number", "history")
        return
    if update.unread:
        await put_aside(
            connection, arrived, place.tenant_id, "malformed", f"{update.unread} of a history"
        )
    written = [
        message
        for message in update.messages
        if message.occurred_at <= arrived.received_at and _speaks(message)
    ]
    found = await find_senders(connection, [_sender(message, place) for message in written])
    known = await hold_contacts(
        connection, {(place.tenant_id, contact_id) for contact_id in found if contact_id}
    )
    heard = [
        _Heard(
            arrived=Arrived(
                update=message, body_id=arrived.body_id, received_at=arrived.received_at
            ),
            update=message,
            place=place,
            contact_id=known[contact_id],
        )
        for message, contact_id in zip(written, found, strict=True)
        if contact_id is not None and not message.is_system
    ]
    rows = [replace(_stored(item), from_history=True) for item in heard]
    new = await inbound.insert_inbound(connection, rows)
    keywords = await inbound.list_keywords(connection, [place.tenant_id])
    words = [
        word
        for item, row in zip(heard, rows, strict=True)
        if row.inbound_id in new
        for word in _words(item, keywords)
        if not word.granted
    ]
    await record_words(connection, words)


def _stored(item: _Heard) -> NewInbound:
    update = item.update
    if not isinstance(update, InboundMessage):
        raise TypeError("not a message")
    return NewInbound(
        tenant_id=item.place.tenant_id,
        inbound_id=new_id(),
        phone_number_id=update.phone_number_id,
        contact_id=item.contact_id,
        wamid=update.wamid,
        type=update.kind,
        body=update.body,
        reply_to_wamid=update.reply_to_wamid or update.target_wamid,
        button_payload=update.button_payload,
        media_id=update.media_id,
        referral=update.referral,
        occurred_at=update.occurred_at,
        received_at=item.arrived.received_at,
    )


def _openings(item: _Heard) -> list[Opening]:
    update = item.update
    if isinstance(update, PreferenceUpdate):
        return []
    if isinstance(update, InboundMessage) and not opens_window(update.kind):
        return []
    return [
        Opening(
            tenant_id=item.place.tenant_id,
            phone_number_id=update.phone_number_id,
            contact_id=item.contact_id,
            occurred_at=update.occurred_at,
            referred=isinstance(update, InboundMessage) and update.from_advertisement,
        )
    ]


def _words(item: _Heard, keywords: dict[TenantId, Keywords]) -> list[Word]:
    """What the update says about marketing, with what there is to show for it."""
    update, body_id = item.update, str(item.arrived.body_id)
    if isinstance(update, PreferenceUpdate):
        if update.category not in ("", _MARKETING):
            return []
        evidence = {"body_id": body_id, "position": str(update.position)}
        return [_word(item, not update.stopped, "whatsapp_preferences", evidence)]
    if isinstance(update, CallUpdate) or not opens_window(update.kind):
        return []
    added = keywords.get(item.place.tenant_id, NO_ADDITIONS)
    found = find_keyword(update.body, update.button_payload, added)
    if found is None:
        return []
    evidence = {"body_id": body_id, "source": found.source, "keyword": found.keyword}
    granted = found.action is ConsentAction.OPT_IN
    return [_word(item, granted, "whatsapp_message", evidence)]


def _word(item: _Heard, granted: bool, channel: str, evidence: dict[str, str]) -> Word:
    return meta_word(
        tenant_id=item.place.tenant_id,
        contact_id=item.contact_id,
        granted=granted,
        channel=channel,
        evidence=evidence,
        occurred_at=item.update.occurred_at,
    )


async def _places(
    connection: Connection, arrived: Sequence[Arrived[Update]]
) -> dict[tuple[int, int], Place]:
    """Whose number or account each update is about; a number of another account is nobody's."""
    kinds = (*PEOPLE, HistoryUpdate)
    updates = [(item, item.update) for item in arrived if isinstance(item.update, kinds)]
    numbers = {update.phone_number_id for _, update in updates if update.phone_number_id}
    accounts = {update.waba_id for _, update in updates if not update.phone_number_id}
    by_number = await inbound.list_places(connection, sorted(numbers))
    by_account = await inbound.list_account_places(connection, sorted(accounts))
    found = {}
    for item, update in updates:
        number = update.phone_number_id
        place = by_number.get(number) if number else by_account.get(update.waba_id)
        if place is not None and place.waba_id == update.waba_id:
            found[item.body_key] = place
    return found
