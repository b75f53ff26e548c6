"""Statuses of many bodies applied as one set: find the message, keep what is new, fold, write."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.ids import MessageId, TenantId
from core.domain.message_state import MessageState
from core.domain.provider_errors import classify
from core.secrets import read_callback
from core.store import dispatch, webhooks
from core.store.database import Connection
from core.store.dispatch import NewIdentity
from core.store.webhooks import KnownMessage, StatusKey
from core.whatsapp.updates import StatusUpdate
from sender.applier.arrivals import Arrived, is_timely, put_aside, write_status
from sender.applier.facts import Folded, Observation, fold
from sender.consequences import Consequence, apply_consequences, open_alert

Status = Arrived[StatusUpdate]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """A status whose message is known by id."""

    arrived: Status
    tenant_id: TenantId
    message_id: MessageId
    attempt_no: int

    @property
    def key(self) -> StatusKey:
        update = self.arrived.update
        return StatusKey(tenant_id=self.tenant_id, wamid=update.wamid, status=update.state.value)


async def apply_statuses(connection: Connection, arrived: Sequence[Status]) -> int:
    """Apply statuses within the caller's transaction; returns how many had an effect.

    A status matches by its callback token, else by its wamid, else waits among the orphans. What
    claims to be of another tenant, or of an impossible time, is put aside.
    """
    owned = await _owned(connection, arrived)
    matched = await _match(connection, owned)
    first_of_key: dict[StatusKey, _Matched] = {}
    for item in matched:
        first_of_key.setdefault(item.key, item)
    new = await webhooks.insert_status_keys(
        connection,
        [(key, item.arrived.update.occurred_at) for key, item in first_of_key.items()],
    )
    return await _fold_and_write(connection, [first_of_key[key] for key in new])


async def messages_of(
    connection: Connection, arrived: Sequence[Status]
) -> set[tuple[TenantId, MessageId]]:
    """The messages that these statuses name, whether they may or not."""
    owners = await webhooks.list_number_owners(
        connection, sorted({item.update.phone_number_id for item in arrived})
    )
    named: set[tuple[TenantId, MessageId]] = set()
    wamids: set[tuple[TenantId, str]] = set()
    for item in arrived:
        token = read_callback(item.update.callback_token or "")
        owner = owners.get(item.update.phone_number_id)
        if token is not None:
            named.add((token.tenant_id, token.message_id))
        elif owner is not None:
            wamids.add((owner[0], item.update.wamid))
    known = await webhooks.find_by_wamids(connection, sorted(wamids))
    return named | {(tenant_id, found[0]) for (tenant_id, _), found in known.items()}


async def _owned(
    connection: Connection, arrived: Sequence[Status]
) -> list[tuple[Status, TenantId]]:
    """The statuses of numbers we know, with the tenant of the number; the rest is put aside."""
    numbers = sorted({item.update.phone_number_id for item in arrived})
    owners = await webhooks.list_number_owners(connection, numbers)
    owned = []
    for item in arrived:
        owner = owners.get(item.update.phone_number_id)
        if owner is None:
            await _quarantine(connection, item, None, "unknown_number")
        elif owner[1] != item.update.waba_id:
            await _quarantine(connection, item, owner[0], "number_of_another_account")
        elif not is_timely(item.received_at, item.update.occurred_at):
            await _quarantine(connection, item, owner[0], "impossible_time")
        else:
            owned.append((item, owner[0]))
    return owned


async def _match(
    connection: Connection, owned: Sequence[tuple[Status, TenantId]]
) -> list[_Matched]:
    matched: list[_Matched] = []
    by_wamid: list[tuple[Status, TenantId]] = []
    for item, tenant_id in owned:
        token = read_callback(item.update.callback_token or "")
        if token is None:
            by_wamid.append((item, tenant_id))
        elif token.tenant_id != tenant_id:
            await _quarantine_foreign(connection, item, tenant_id)
        else:
            matched.append(
                _Matched(
                    arrived=item,
                    tenant_id=tenant_id,
                    message_id=token.message_id,
                    attempt_no=token.attempt_no,
                )
            )
    wanted = sorted({(tenant_id, item.update.wamid) for item, tenant_id in by_wamid})
    known = await webhooks.find_by_wamids(connection, wanted)
    for item, tenant_id in by_wamid:
        found = known.get((tenant_id, item.update.wamid))
        if found is None:
            await _keep_orphan(connection, item, tenant_id)
            continue
        matched.append(
            _Matched(arrived=item, tenant_id=tenant_id, message_id=found[0], attempt_no=found[1])
        )
    return matched


async def _fold_and_write(connection: Connection, new: Sequence[_Matched]) -> int:
    by_message: dict[MessageId, list[_Matched]] = {}
    for item in new:
        by_message.setdefault(item.message_id, []).append(item)
    # In the order of the ids, which is the order of locks; the comparison of UUID is Python.
    by_message = dict(sorted(by_message.items(), key=lambda entry: entry[0].int))
    messages = await webhooks.lock_messages(
        connection, [(items[0].tenant_id, message_id) for message_id, items in by_message.items()]
    )
    failed = await webhooks.list_failed_wamids(
        connection,
        [
            (item.tenant_id, item.arrived.update.wamid)
            for item in new
            if item.arrived.update.state is MessageState.SENT
            and _is_tried_again(messages.get(item.message_id), item.attempt_no)
        ],
    )
    folded: list[Folded] = []
    consequences: list[Consequence] = []
    identities: dict[TenantId, list[NewIdentity]] = defaultdict(list)
    for message_id, items in by_message.items():
        message = messages.get(message_id)
        fitting = []
        for item in items:
            if message is None or message.phone_number_id != item.arrived.update.phone_number_id:
                await _quarantine(connection, item.arrived, item.tenant_id, "unknown_message")
            else:
                fitting.append(item)
        if message is None or not fitting:
            continue
        folded.append(
            fold(
                message,
                [
                    Observation(
                        status=item.arrived.update,
                        attempt_no=item.attempt_no,
                        has_failed=(item.tenant_id, item.arrived.update.wamid) in failed,
                    )
                    for item in fitting
                ],
            )
        )
        consequences += _consequences(message, fitting)
        identities[message.tenant_id] += _identities(message, fitting)
    await webhooks.apply_facts(
        connection,
        changed=[item.message for item in folded],
        facts=[fact for item in folded for fact in item.facts],
        wamids=[wamid for item in folded for wamid in item.wamids],
    )
    for tenant_id, found in sorted(identities.items()):
        await dispatch.link_identities(connection, tenant_id=tenant_id, identities=found)
    await apply_consequences(connection, consequences)
    return sum(len(item.facts) for item in folded)


def _is_tried_again(message: KnownMessage | None, attempt_no: int) -> bool:
    """Whether that attempt is over and another one waits or is under way."""
    return (
        message is not None
        and message.wamid is None
        and (message.state == MessageState.QUEUED or attempt_no < message.attempt_no)
    )


def _consequences(message: KnownMessage, items: Sequence[_Matched]) -> list[Consequence]:
    return [
        Consequence(
            error=classify(item.arrived.update.failure_code),
            tenant_id=message.tenant_id,
            waba_id=message.waba_id,
            phone_number_id=message.phone_number_id,
            contact_id=message.contact_id,
            template_id=message.template_id,
            occurred_at=item.arrived.update.occurred_at,
        )
        for item in items
        if item.arrived.update.state is MessageState.FAILED
    ]


def _identities(message: KnownMessage, items: Sequence[_Matched]) -> list[NewIdentity]:
    """Addresses of this person that we did not send to."""
    found: dict[tuple[str, str], NewIdentity] = {}
    for item in items:
        update = item.arrived.update
        pairs = (("wa_id", update.recipient_wa_id), ("bsuid", update.recipient_user_id))
        for kind, value in pairs:
            if value and value not in (message.address, message.address.removeprefix("+")):
                found[(kind, value)] = NewIdentity(
                    contact_id=message.contact_id, kind=kind, value=value
                )
    return list(found.values())


async def _keep_orphan(connection: Connection, item: Status, tenant_id: TenantId) -> None:
    await webhooks.insert_orphan(
        connection,
        tenant_id=tenant_id,
        phone_number_id=item.update.phone_number_id,
        wamid=item.update.wamid,
        status=item.update.state.value,
        update=write_status(item.update),
        body_id=item.body_id,
    )


async def _quarantine_foreign(connection: Connection, item: Status, tenant_id: TenantId) -> None:
    """A token we signed, for another tenant: somebody replays what was not meant for them."""
    await _quarantine(connection, item, tenant_id, "token_of_another_tenant")
    await open_alert(
        connection,
        tenant_id=tenant_id,
        kind="foreign_callback_token",
        subject=str(item.update.phone_number_id),
        detail="A status of this number carried the token of another tenant's message.",
    )


async def _quarantine(
    connection: Connection, item: Status, tenant_id: TenantId | None, reason: str
) -> None:
    await put_aside(connection, item, tenant_id, reason, f"status {item.update.state.value}")
