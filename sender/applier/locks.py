"""The one order in which a batch of webhooks locks what it changes: no two wait for each other.

Everybody locks messages by their ids first, and people by theirs after them. Most batches come to
that by themselves, for statuses are applied before people. One in which two contacts turn out to be
one person, or somebody changes their number, would lock that person's messages late: it takes all
of them here, together with those of its statuses, before it writes anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.domain.ids import ContactId, TenantId
from core.store import inbound
from core.store.database import Connection
from core.store.inbound import Address
from core.store.merges import lock_for_merge
from sender.applier.identities import Sender, look_up
from sender.applier.statuses import Status, messages_of

Person = tuple[TenantId, ContactId]


@dataclass(slots=True)
class _Group:
    """Senders who share an address: one person, once the batch is applied."""

    keys: set[Address | Person] = field(default_factory=set)
    contacts: set[Person] = field(default_factory=set)
    changes: bool = False
    is_known: bool = True

    @property
    def is_moved(self) -> bool:
        """Whether messages of theirs change hands or address."""
        return len(self.contacts) > 1 or (self.changes and bool(self.contacts))


async def lock_in_order(
    connection: Connection, senders: Sequence[tuple[Sender, ...]], statuses: Sequence[Status]
) -> None:
    """Lock what a batch takes beyond what its parts lock in order themselves; mostly nothing.

    Each item of `senders` is somebody as they are named, or before and after a change.
    """
    groups = await _groups(connection, senders)
    if all(group.is_known and not group.is_moved for group in groups):
        return
    await inbound.lock_people(
        connection, [sender.place.tenant_id for named in senders for sender in named]
    )
    # What was looked up before the lock may have changed hands.
    groups = await _groups(connection, senders)
    moved = {person for group in groups if group.is_moved for person in group.contacts}
    if moved:
        await lock_for_merge(connection, moved, await messages_of(connection, statuses))


async def _groups(connection: Connection, senders: Sequence[tuple[Sender, ...]]) -> list[_Group]:
    known = await look_up(connection, [sender for named in senders for sender in named])
    place = 0
    by_key: dict[Address | Person, _Group] = {}
    for named in senders:
        group = _Group(changes=len(named) > 1)
        for sender in named:
            ids, place = known[place], place + 1
            people = {(sender.place.tenant_id, contact_id) for contact_id in ids.values()}
            group.contacts |= people
            group.keys |= people | set(sender.addresses())
            group.is_known &= bool(ids)
        for other in {id(one): one for key in group.keys if (one := by_key.get(key))}.values():
            group.keys |= other.keys
            group.contacts |= other.contacts
            group.changes |= other.changes
            group.is_known &= other.is_known
        by_key |= dict.fromkeys(group.keys, group)
    return list({id(group): group for group in by_key.values()}.values())
