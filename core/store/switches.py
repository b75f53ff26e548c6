"""The operator's switches: set, lifted and listed by commands, asked by the applier and the API.

The claim asks for its own four scopes in its own statement (dispatch.sql). What an operator does is
synchronous and runs in the caller's transaction of role `operator`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from core.domain.ids import CampaignId, PhoneNumberId, TenantId, new_id
from core.domain.switches import SwitchScope
from core.errors import NotFound
from core.store.database import Connection
from core.store.queries import load

_SQL = load("switches")
OperatorConnection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A switch as it stands; `slug` and `subject` name what it stops, None for all."""

    switch_id: UUID
    scope: str
    slug: str | None
    subject: str | None
    reason: str
    set_by: str
    set_at: datetime
    expires_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a switch is to stop: a tenant for three scopes, and its campaign's or number's id."""

    scope: SwitchScope
    tenant_id: TenantId | None = None
    subject: str | None = None


def find_target(
    connection: OperatorConnection,
    scope: SwitchScope,
    *,
    slug: str | None = None,
    campaign_id: CampaignId | None = None,
    phone_number_id: PhoneNumberId | None = None,
) -> Target:
    """The target of a scope, with the tenant it belongs to. Raises NotFound."""
    if scope is SwitchScope.TENANT:
        tenant_id = _owner(connection, "find_tenant", "there is no such tenant", slug=slug)
        return Target(scope=scope, tenant_id=tenant_id)
    if scope is SwitchScope.CAMPAIGN:
        tenant_id = _owner(
            connection,
            "find_campaign_tenant",
            "there is no such campaign",
            campaign_id=campaign_id,
        )
        return Target(scope=scope, tenant_id=tenant_id, subject=str(campaign_id))
    if scope is SwitchScope.NUMBER:
        tenant_id = _owner(
            connection,
            "find_number_tenant",
            "there is no such number; give Meta's id of it",
            phone_number_id=phone_number_id,
        )
        return Target(scope=scope, tenant_id=tenant_id, subject=phone_number_id)
    return Target(scope=scope)


def set_switch(
    connection: OperatorConnection,
    target: Target,
    *,
    lasting: timedelta,
    reason: str,
    actor: str,
) -> UUID:
    """Stop something until `lasting` has passed or somebody lifts it; returns the switch's id."""
    switch_id = new_id()
    connection.execute(
        _SQL.insert_switch,
        {
            "switch_id": switch_id,
            "scope": target.scope.value,
            "tenant_id": target.tenant_id,
            "subject": target.subject,
            "reason": reason,
            "actor": actor,
            "seconds": lasting.total_seconds(),
        },
    )
    return switch_id


def lift_switch(connection: OperatorConnection, switch_id: UUID, *, actor: str) -> bool:
    """End a switch now; False when it was over or never there."""
    cursor = connection.execute(_SQL.lift_switch, {"switch_id": switch_id, "actor": actor})
    return cursor.rowcount == 1


def list_switches(
    connection: OperatorConnection, *, include_ended: bool = False, limit: int = 100
) -> list[Switch]:
    """The switches in force, newest first; with `include_ended` also the others."""
    with connection.cursor(row_factory=class_row(Switch)) as cursor:
        cursor.execute(_SQL.list_switches, {"include_ended": include_ended, "limit": limit})
        return cursor.fetchall()


async def accepts_webhooks_only(connection: Connection) -> bool:
    """Whether the applier must leave webhooks where they landed."""
    cursor = await connection.execute(_SQL.accepts_webhooks_only)
    row = await cursor.fetchone()
    return bool(row and row[0])


async def read_only_until(connection: Connection) -> datetime | None:
    """Until when the API must not change anything; None when it may."""
    cursor = await connection.execute(_SQL.read_only_until)
    row = await cursor.fetchone()
    return row[0] if row and isinstance(row[0], datetime) else None


def _owner(connection: OperatorConnection, query: str, missing: str, **values: object) -> TenantId:
    row = connection.execute(_SQL[query], values).fetchone()
    if row is None or not isinstance(row[0], UUID):
        raise NotFound(missing)
    return TenantId(row[0])
