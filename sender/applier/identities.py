"""Who somebody is: found by every address Meta knows of them, made when new, merged when double.

A business-scoped id holds for one portfolio; a phone may be missing (no wa_id at all), and a wa_id
may spell a Brazilian mobile without its ninth digit. Meta, business-scoped user ids, 2026-05-07.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.clock import utc_now
from core.domain.ids import ContactId, new_id
from core.domain.market import MarketMap
from core.domain.phone import InvalidPhone, PhoneAddress, from_wa_id
from core.domain.recipient_zone import zone_of_prefix
from core.store import inbound, plans, webhooks
from core.store.database import Connection
from core.store.inbound import Address, NewPerson, Place
from core.store.merges import merge_contacts
from core.store.webhooks import StatusKey
from core.whatsapp.updates import InboundMessage, Update, UserIdUpdate
from sender.applier.arrivals import Arrived, put_aside


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Somebody by what Meta says of them; `occurred_at` tells a former owner of a number apart."""

    place: Place
    wa_id: str | None
    user_id: str | None
    occurred_at: datetime

    @property
    def phone(self) -> PhoneAddress | None:
        try:
            return from_wa_id(self.wa_id) if self.wa_id else None
        except InvalidPhone:
            return None

    def addresses(self) -> list[Address]:
        """Every address under which this person may be known."""
        phone = self.phone
        pairs = (
            ("bsuid", self.user_id),
            ("wa_id", self.wa_id),
            ("phone", phone.match_key if phone else None),
        )
        return [
            Address(
                tenant_id=self.place.tenant_id,
                kind=kind,
                value=value,
                portfolio_id=self.place.portfolio_id if kind == "bsuid" else None,
            )
            for kind, value in pairs
            if value
        ]

    def as_new(self) -> NewPerson | None:
        """The contact this person becomes, or None when nothing can be sent to what they are."""
        phone = self.phone
        address = phone.e164 if phone else self._unread_number or self.user_id
        if address is None:
            return None
        prefix = self.user_id[:2] if self.user_id else None
        return NewPerson(
            tenant_id=self.place.tenant_id,
            contact_id=ContactId(new_id()),
            address=address,
            country=phone.region if phone else prefix,
        )

    @property
    def _unread_number(self) -> str | None:
        """Meta knows number ranges before our tables do: its wa_id is E.164 all the same."""
        return f"+{self.wa_id}" if self.wa_id and self.wa_id.isdigit() else None


async def find_senders(connection: Connection, senders: Sequence[Sender]) -> list[ContactId | None]:
    """The contact of each sender, in their order; who is unknown is made, who is double is merged.

    None for somebody without any address that could be kept.
    """
    if not senders:
        return []
    known = await look_up(connection, senders)
    if any(not known[at] or len(set(known[at].values())) > 1 for at in range(len(senders))):
        # Only now: the lock would make appliers of one tenant wait for each other.
        await inbound.lock_people(connection, [sender.place.tenant_id for sender in senders])
        known = await look_up(connection, senders)
        await _make_new(connection, senders, known)
        known = await _merge_doubles(connection, senders, await look_up(connection, senders))
    await _link(connection, senders, known)
    return [_first(known[at]) for at in range(len(senders))]


async def apply_change(connection: Connection, item: Arrived[Update], place: Place) -> None:
    """A person's number or business-scoped id has changed: the same person, the new address.

    The new address leads to them; the old one is given up and nothing is sent to it any more.
    """
    named = names_of_change(item, place)
    if isinstance(item.update, InboundMessage):
        named = named if await _is_news(connection, item.update, place) else None
    if named is None:
        return
    before, after = named
    if before.addresses() == after.addresses() or not after.addresses():
        return
    await inbound.lock_people(connection, [place.tenant_id])
    known = await look_up(connection, [before, after])
    contact_id = _first(known[0]) or _first(known[1])
    if contact_id is None:
        await put_aside(connection, item, place.tenant_id, "unknown_contact", "identity")
        return
    for other in sorted({*known[0].values(), *known[1].values()} - {contact_id}):
        await merge_contacts(
            connection,
            tenant_id=place.tenant_id,
            kept=contact_id,
            merged=other,
            reason="changed_identity",
        )
    await _give_up(connection, contact_id, before, after)


def names_of_change(item: Arrived[Update], place: Place) -> tuple[Sender, Sender] | None:
    """Somebody as they were named until a change, and from then on; None when it is no change."""
    update = item.update
    if isinstance(update, UserIdUpdate):
        return (
            _sender(place, item, update.wa_id, update.previous_user_id),
            _sender(place, item, update.wa_id, update.current_user_id),
        )
    if isinstance(update, InboundMessage) and update.is_system:
        return (
            _sender(place, item, update.from_wa_id, update.from_user_id),
            _sender(place, item, update.new_wa_id or update.from_wa_id, update.new_user_id),
        )
    return None


async def _give_up(
    connection: Connection, contact_id: ContactId, before: Sender, after: Sender
) -> None:
    kept = {(address.kind, address.value) for address in after.addresses()}
    gone = [item for item in before.addresses() if (item.kind, item.value) not in kept]
    await inbound.retire_addresses(
        connection, contact_id=contact_id, addresses=gone, at=after.occurred_at
    )
    await inbound.link_people(connection, [(item, contact_id) for item in after.addresses()])
    new = after.as_new()
    old = before.as_new()
    if new is not None and old is not None and gone:
        today = utc_now().date()
        markets = MarketMap(await plans.list_market_rows(connection, on_day=today))
        await inbound.move_address(
            connection,
            contact_id=contact_id,
            new=new,
            market=markets.market_for(new.address, today),
            timezone=zone_of_prefix(new.address[: 8 if new.address.startswith("+") else 3]),
            old_addresses=[old.address],
        )


def _sender(place: Place, item: Arrived[Update], wa_id: str | None, user_id: str | None) -> Sender:
    at = getattr(item.update, "occurred_at", None) or item.received_at
    return Sender(place=place, wa_id=wa_id, user_id=user_id, occurred_at=at)


async def _is_news(connection: Connection, update: InboundMessage, place: Place) -> bool:
    """Whether this notice has not been applied before; one without a new address says nothing."""
    if update.new_wa_id is None and update.new_user_id is None:
        return False
    key = StatusKey(tenant_id=place.tenant_id, wamid=update.wamid, status="system")
    return bool(await webhooks.insert_status_keys(connection, [(key, update.occurred_at)]))


async def look_up(
    connection: Connection, senders: Sequence[Sender]
) -> dict[int, dict[str, ContactId]]:
    """The contacts behind the addresses of each sender by its place, by kind of address."""
    found = await inbound.find_people(
        connection,
        [
            (position, address, sender.occurred_at)
            for position, sender in enumerate(senders)
            for address in sender.addresses()
        ],
    )
    return {position: found.get(position, {}) for position in range(len(senders))}


async def _make_new(
    connection: Connection,
    senders: Sequence[Sender],
    known: Mapping[int, Mapping[str, ContactId]],
) -> None:
    """A contact for each unknown person, one however many messages they wrote."""
    made: dict[Address, ContactId] = {}
    people: list[NewPerson] = []
    links: list[tuple[Address, ContactId]] = []
    for position, sender in enumerate(senders):
        addresses = sender.addresses()
        if known[position] or not addresses:
            continue
        contact_id = next((made[item] for item in addresses if item in made), None)
        if contact_id is None:
            person = sender.as_new()
            if person is None:
                continue
            people.append(person)
            contact_id = person.contact_id
        for address in addresses:
            made.setdefault(address, contact_id)
            links.append((address, made[address]))
    await inbound.insert_people(connection, people)
    await inbound.link_people(connection, links)


async def _merge_doubles(
    connection: Connection,
    senders: Sequence[Sender],
    known: dict[int, dict[str, ContactId]],
) -> dict[int, dict[str, ContactId]]:
    """Meta names two of our contacts as one sender: they are one person."""
    merged = False
    for position, sender in enumerate(senders):
        ids = known[position]
        # A phone outlives a business-scoped id: its contact is the one that lists name.
        kept = ids.get("phone") or ids.get("wa_id") or ids.get("bsuid")
        for other in sorted(set(ids.values()) - {kept}):
            if kept is not None:
                merged |= await merge_contacts(
                    connection,
                    tenant_id=sender.place.tenant_id,
                    kept=kept,
                    merged=other,
                    reason="same_sender",
                )
    return await look_up(connection, senders) if merged else known


async def _link(
    connection: Connection,
    senders: Sequence[Sender],
    known: Mapping[int, Mapping[str, ContactId]],
) -> None:
    """Remember the addresses of known people that were not known yet."""
    links = [
        (address, contact_id)
        for position, sender in enumerate(senders)
        for address in sender.addresses()
        if address.kind not in known[position]
        and (contact_id := _first(known[position])) is not None
    ]
    await inbound.link_people(connection, links)


def _first(ids: Mapping[str, ContactId]) -> ContactId | None:
    return ids.get("phone") or ids.get("wa_id") or ids.get("bsuid")
