"""Sets the stage: what an operator does once before a tenant can work."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg

from api.scopes import Scope
from carteiro.demo.people import TENANTS, DemoTenant
from carteiro.demo.world import meta_token
from core.domain.ids import PhoneNumberId, TenantId, WabaId
from core.settings import DatabaseRole, Settings, get_settings
from core.store import price_plans, rate_cards, tenants

SCOPES = [scope.value for scope in Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A tenant that may begin, with the API key it was handed."""

    tenant: DemoTenant
    tenant_id: TenantId
    api_key: str


@contextmanager
def adopted_environment(environment: Mapping[str, str]) -> Iterator[Settings]:
    """Let this process see what the stack's programs see, for a while; yields the settings.

    Put back afterwards: a stack that is started next must find the environment of its caller.
    """
    before = dict(os.environ)
    os.environ.update(environment)
    get_settings.cache_clear()
    try:
        yield get_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()


def people_of_this_run(*, own_servers: bool) -> tuple[DemoTenant, ...]:
    """The tenants; on servers that keep their data each run brings new ones beside the old."""
    if not own_servers:
        return TENANTS
    run = datetime.now(UTC).strftime("%m%d%H%M%S")
    return tuple(
        replace(
            tenant,
            slug=f"{tenant.slug}-{run}",
            waba_id=f"{tenant.waba_id[:3]}{run}{tenant.waba_id[-2:]}",
            portfolio_id=f"{tenant.portfolio_id[:3]}{run}{tenant.portfolio_id[-2:]}",
            phone_number_id=f"{tenant.phone_number_id[:3]}{run}{tenant.phone_number_id[-2:]}",
        )
        for tenant in TENANTS
    )


def admit(settings: Settings, people: Sequence[DemoTenant]) -> list[Admitted]:
    """Import Meta's prices and the example plans, create the tenants, connect their accounts."""
    with psycopg.connect(settings.dsn(DatabaseRole.OPERATOR)) as connection:
        rate_cards.import_shipped(connection)
        price_plans.seed_examples(connection)
        return [_admit_one(connection, tenant) for tenant in people]


def _admit_one(connection: psycopg.Connection[tuple[object, ...]], tenant: DemoTenant) -> Admitted:
    tenant_id = tenants.create_tenant(
        connection,
        slug=tenant.slug,
        name=tenant.name,
        timezone=tenant.timezone,
        currency=tenant.currency,
        default_region=tenant.region,
        plan=tenant.plan,
    )
    tenants.add_account(
        connection,
        tenant_id=tenant_id,
        waba_id=WabaId(tenant.waba_id),
        portfolio_id=tenant.portfolio_id,
        name=tenant.name,
        timezone=tenant.timezone,
        currency=tenant.currency,
        access_token=meta_token(tenant),
    )
    tenants.add_number(
        connection,
        tenant_id=tenant_id,
        waba_id=WabaId(tenant.waba_id),
        phone_number_id=PhoneNumberId(tenant.phone_number_id),
        display_phone_number=tenant.display_phone_number,
        throughput_per_second=tenant.throughput_per_second,
    )
    key = tenants.create_api_key(connection, tenant_id=tenant_id, name="demo", scopes=SCOPES)
    return Admitted(tenant=tenant, tenant_id=tenant_id, api_key=key.plaintext)
