"""The live API with something of everything in it: servers, two tenants, people, keys."""

import asyncio
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from api.app import create_app
from api.rate_limits import LIMITS
from core.dsn import DatabaseRole
from core.logs import configure_logging
from core.settings import Settings, get_settings
from core.store import price_plans
from tests.api.conftest import PASSWORD, Account, make_account, running
from tests.api.test_authentication import make_user
from tests.api.test_exports_and_billing import publish_usage
from tests.api.test_isolation import things_of
from tests.chaos.live_path import LivePath, live_path
from tests.support.databases import DatabaseServer
from tests.support.embedded import embedded_postgres, embedded_valkey
from tests.support.settings import APP_SECRET, SECRET_KEY, VERIFY_TOKEN

OWNER: Final = "owner@example.com"
#: Whoever is asked for an operation that only a person may do signs in as this one.
_LIMITS: Final = ",".join(f"{limit}=9999999/1" for limit in LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """A running API and what a caller needs to know."""

    url: str
    path: LivePath
    key: str
    other_key: str
    person: dict[str, str]
    things: dict[str, str]

    def environment(self) -> dict[str, str]:
        """What the hooks read, in the process that asks."""
        return {
            "FUZZ_URL": self.url,
            "FUZZ_KEY": self.key,
            "FUZZ_OTHER_KEY": self.other_key,
            "FUZZ_PERSON": json.dumps(self.person),
            "FUZZ_THINGS": json.dumps(self.things),
        }


@contextmanager
def arena() -> Iterator[Arena]:
    """Embedded PostgreSQL and Valkey, a sandbox and `python -m api`; all gone afterwards."""
    os.environ |= {
        "CARTEIRO_LOG_LEVEL": "WARNING",
        "CARTEIRO_SECRET_KEY": SECRET_KEY,
        "CARTEIRO_META_APP_SECRET": APP_SECRET,
        "CARTEIRO_META_VERIFY_TOKEN": VERIFY_TOKEN,
    }
    get_settings.cache_clear()
    configure_logging("fuzz")
    with (
        tempfile.TemporaryDirectory(prefix="carteiro-fuzz-") as name,
        embedded_postgres(Path(name) / "pg") as postgres,
        embedded_valkey(Path(name) / "vk") as valkey,
        DatabaseServer(
            label="embedded", admin_dsn=postgres.dsn(), strategy="file_copy"
        ).migrated_database() as settings,
        live_path(
            Path(name),
            settings,
            valkey.url(),
            CARTEIRO_RATE_LIMITS=_LIMITS,
            CARTEIRO_TRUSTED_PROXIES="127.0.0.1",
        ) as path,
    ):
        yield _open(settings, path)


def _open(settings: Settings, path: LivePath) -> Arena:
    tenant, other, things = asyncio.run(_seed(settings))
    publish_usage(settings, (tenant, 5), (other, 7))
    path.start_sandbox(_sandbox(tenant, other))
    path.start_api()
    return Arena(
        url=f"http://127.0.0.1:{path.api_port}",
        path=path,
        key=tenant.api_key,
        other_key=other.api_key,
        person={"slug": tenant.slug, "email": OWNER, "password": PASSWORD},
        things=things,
    )


async def _seed(settings: Settings) -> tuple[Account, Account, dict[str, str]]:
    """Two tenants; the first has an owner and one thing of every kind that has an id."""
    operator_dsn = settings.dsn(DatabaseRole.OPERATOR)
    with (
        psycopg.connect(operator_dsn, autocommit=True) as operator,
        psycopg.connect(settings.database_url, autocommit=True) as admin,
    ):
        price_plans.seed_examples(operator)
        tenant, other = make_account(operator, "tenant-a", 1), make_account(operator, "tenant-b", 2)
        make_user(operator, tenant)
        async with running(create_app(settings)) as client:
            client.headers["Authorization"] = f"Bearer {tenant.api_key}"
            things = await things_of(client, admin, tenant)
    return tenant, other, things


def _sandbox(*accounts: Account) -> dict[str, Any]:
    return {
        "app_secret": APP_SECRET,
        "verify_token": VERIFY_TOKEN,
        "tokens": [{"token": f"EAAtoken{number}"} for number, _ in enumerate(accounts, 1)],
        "wabas": [
            {
                "id": account.waba_id,
                "timezone": "America/Sao_Paulo",
                "numbers": [
                    {
                        "id": account.phone_number_id,
                        "display_phone_number": f"+55 11 97777-000{number}",
                        "throughput_mps": 80,
                    }
                ],
            }
            for number, account in enumerate(accounts, 1)
        ],
    }
