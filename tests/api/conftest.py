"""The API on a real database, called in-process over ASGI, as two tenants and their people."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.scopes import Scope
from core.domain.ids import PhoneNumberId, TenantId, WabaId
from core.dsn import DatabaseRole
from core.settings import Settings, get_settings
from core.store import price_plans, tenants
from core.store.database import open_pool
from sender.importer.importer import import_next
from tests.support.contract import disagreement, document
from tests.support.settings import APP_SECRET, SECRET_KEY, VERIFY_TOKEN

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One tenant as a test knows it."""

    tenant_id: TenantId
    slug: str
    api_key: str
    waba_id: str
    phone_number_id: str


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """core.secrets reads the process's settings, not those of a database."""
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("CARTEIRO_META_APP_SECRET", APP_SECRET)
    monkeypatch.setenv("CARTEIRO_META_VERIFY_TOKEN", VERIFY_TOKEN)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def make_account(connection: tenants.Connection, slug: str, number: int) -> Account:
    tenant_id = tenants.create_tenant(
        connection,
        slug=slug,
        name=f"Tenant {slug}",
        timezone="America/Sao_Paulo",
        currency="BRL",
        default_region="BR",
        plan="start-brl",
    )
    waba_id = WabaId(f"10100000000000{number}")
    phone_number_id = PhoneNumberId(f"20100000000000{number}")
    tenants.add_account(
        connection,
        tenant_id=tenant_id,
        waba_id=waba_id,
        portfolio_id=f"90100000000000{number}",
        name=slug,
        timezone="America/Sao_Paulo",
        currency="BRL",
        access_token=f"EAAtoken{number}",
    )
    tenants.add_number(
        connection,
        tenant_id=tenant_id,
        waba_id=waba_id,
        phone_number_id=phone_number_id,
        display_phone_number=f"+55 11 97777-000{number}",
    )
    key = tenants.create_api_key(
        connection, tenant_id=tenant_id, name="all", scopes=[scope.value for scope in Scope]
    )
    return Account(
        tenant_id=tenant_id,
        slug=slug,
        api_key=key.plaintext,
        waba_id=waba_id,
        phone_number_id=phone_number_id,
    )


@pytest.fixture
def settings(database: Settings) -> Settings:
    """The settings of the API under test."""
    return database


@pytest.fixture
def operator(settings: Settings) -> Iterator[tenants.Connection]:
    """A connection of an operator; every statement commits."""
    with psycopg.connect(settings.dsn(DatabaseRole.OPERATOR), autocommit=True) as connection:
        price_plans.seed_examples(connection)
        yield connection


@pytest.fixture
def admin(settings: Settings) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A superuser's connection, to look behind row-level security; every statement commits."""
    with psycopg.connect(settings.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def tenant(operator: tenants.Connection) -> Account:
    """Tenant A."""
    return make_account(operator, "tenant-a", 1)


@pytest.fixture
def other(operator: tenants.Connection) -> Account:
    """Tenant B."""
    return make_account(operator, "tenant-b", 2)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The app with its lifespan, behind a client without credentials."""
    # Takes a second the first time, which must not pass between a test's requests.
    document()
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport,
            base_url="http://api.test",
            event_hooks={"response": [_hold_against_the_document]},
        ) as client:
            yield client


async def _hold_against_the_document(response: httpx.Response) -> None:
    """Whatever a test asks, the answer must be one that the OpenAPI document promises."""
    await response.aread()
    problem = disagreement(response)
    assert problem is None, problem


@pytest.fixture
async def app(settings: Settings) -> FastAPI:
    """The app, not started."""
    return create_app(settings)


@pytest.fixture
async def anonymous(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client without credentials of the running app."""
    async with running(app) as client:
        yield client


@pytest.fixture
def api(anonymous: httpx.AsyncClient, tenant: Account) -> httpx.AsyncClient:
    """A client of tenant A with every scope."""
    anonymous.headers["Authorization"] = f"Bearer {tenant.api_key}"
    return anonymous


async def finish_imports(api: httpx.AsyncClient) -> None:
    """Work off what was uploaded to this app, as a planner does."""
    settings: Settings = api._transport.app.state.api.settings  # type: ignore[attr-defined]
    async with open_pool(settings.dsn(DatabaseRole.WORKER), name="importer") as pool:
        while await import_next(pool):
            pass


def as_tenant(account: Account) -> dict[str, str]:
    """Headers that speak for another tenant through the same client."""
    return {"Authorization": f"Bearer {account.api_key}"}
