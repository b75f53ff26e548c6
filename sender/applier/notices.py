"""Updates that are not about a message: people's preferences, templates, accounts, troubles."""

from core.domain.ids import PhoneNumberId, TenantId, WabaId
from core.domain.provider_errors import classify
from core.store import webhooks
from core.store.database import Connection
from core.whatsapp.updates import (
    AccountUpdate,
    BadUpdate,
    ErrorUpdate,
    TemplateUpdate,
    UnknownUpdate,
    Update,
)
from sender.applier.account_notices import apply_account, apply_template
from sender.applier.arrivals import Arrived
from sender.consequences import Consequence, apply_consequences, open_alert


async def apply_notice(connection: Connection, arrived: Arrived[Update]) -> None:
    """Apply one update within the caller's transaction; what is not ours is put aside."""
    match arrived.update:
        case BadUpdate():
            await _put_aside(connection, arrived, None, "malformed", arrived.update.reason)
        case TemplateUpdate():
            await _apply_template(connection, arrived, arrived.update)
        case AccountUpdate():
            await _apply_account(connection, arrived, arrived.update)
        case ErrorUpdate():
            await _apply_trouble(connection, arrived, arrived.update)
        case UnknownUpdate():
            return  # the raw body keeps it; a later version may read it


async def _apply_template(
    connection: Connection, arrived: Arrived[Update], update: TemplateUpdate
) -> None:
    tenant_id = await _tenant_of_account(connection, update.waba_id)
    if tenant_id is None:
        await _put_aside(connection, arrived, None, "unknown_account", "template")
        return
    await apply_template(connection, tenant_id, update, arrived.received_at)


async def _apply_account(
    connection: Connection, arrived: Arrived[Update], update: AccountUpdate
) -> None:
    tenant_id = await _tenant_of_account(connection, update.waba_id)
    if tenant_id is None:
        await _put_aside(connection, arrived, None, "unknown_account", update.field)
        return
    await apply_account(connection, tenant_id, update, arrived.received_at)


async def _apply_trouble(
    connection: Connection, arrived: Arrived[Update], update: ErrorUpdate
) -> None:
    """An error of a number or account without any message: 130429 comes this way too."""
    number = update.phone_number_id
    tenant_id = (
        await _tenant_of_account(connection, update.waba_id)
        if number is None
        else await _tenant_of_number(connection, number, update.waba_id)
    )
    if tenant_id is None:
        await _put_aside(connection, arrived, None, "unknown_number", "error")
        return
    if number is None:
        await _tell(connection, tenant_id, "account_error", update.waba_id, str(update.error.code))
        return
    consequence = Consequence(
        error=classify(update.error.code),
        tenant_id=tenant_id,
        waba_id=update.waba_id,
        phone_number_id=number,
        contact_id=None,
        template_id=None,
        # It carries no time: what a person lifted while the body waited stays lifted.
        occurred_at=arrived.received_at,
    )
    await apply_consequences(connection, [consequence])


async def _tenant_of_account(connection: Connection, waba_id: WabaId) -> TenantId | None:
    return (await webhooks.list_account_owners(connection, [waba_id])).get(waba_id)


async def _tenant_of_number(
    connection: Connection, number: PhoneNumberId, waba_id: WabaId
) -> TenantId | None:
    owner = (await webhooks.list_number_owners(connection, [number])).get(number)
    return owner[0] if owner and owner[1] == waba_id else None


async def _tell(
    connection: Connection, tenant_id: TenantId, kind: str, subject: str, detail: str
) -> None:
    await open_alert(connection, tenant_id=tenant_id, kind=kind, subject=subject, detail=detail)


async def _put_aside(
    connection: Connection,
    arrived: Arrived[Update],
    tenant_id: TenantId | None,
    reason: str,
    detail: str,
) -> None:
    await webhooks.quarantine_update(
        connection,
        tenant_id=tenant_id,
        body_id=arrived.body_id,
        received_at=arrived.received_at,
        update_index=arrived.update.position,
        reason=reason,
        detail=detail,
    )
