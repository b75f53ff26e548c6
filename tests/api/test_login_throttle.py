"""Guessing passwords: counted by account and by address, the same whether or not one exists."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from api.login_throttle import MOST_OF_ACCOUNT, MOST_OF_ADDRESS
from core.dsn import DatabaseRole
from core.settings import Settings
from core.store import tenants
from tests.api.conftest import Account
from tests.api.test_authentication import log_in, make_user
from tests.api.test_sessions import multiply_failures

Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand attempts are about counting, not about argon2."""
    monkeypatch.setattr("api.password_work.password_matches", lambda _stored, _password: False)


def from_address(app: FastAPI, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://api.test")


def tally(attempts: list[httpx.Response]) -> dict[int, int]:
    statuses = [answer.status_code for answer in attempts]
    for answer in attempts:
        if answer.status_code == 429:
            # An address with hundreds in a minute meets the limit of all requests as well.
            assert answer.json()["code"] in {"too-many-logins", "rate-limited"}
            assert 1 <= int(answer.headers["retry-after"]) <= 900
    return {status: statuses.count(status) for status in set(statuses)}


async def in_crowds(attempts: list[Coroutine[Any, Any, httpx.Response]]) -> list[httpx.Response]:
    answers: list[httpx.Response] = []
    for start in range(0, len(attempts), 20):
        answers += await asyncio.gather(*attempts[start : start + 20])
    return answers


async def test_a_thousand_logins_from_one_address_are_throttled(
    anonymous: httpx.AsyncClient, tenant: Account
) -> None:
    answers = await in_crowds(
        [log_in(anonymous, email=f"person{number}@example.com") for number in range(1_000)]
    )
    assert tally(answers) == {401: MOST_OF_ADDRESS, 429: 1_000 - MOST_OF_ADDRESS}


@pytest.mark.parametrize("email", ["owner@example.com", "nobody@example.com"])
async def test_one_account_from_a_thousand_addresses_is_throttled_whether_it_exists_or_not(
    app: FastAPI,
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    email: str,
) -> None:
    make_user(operator, tenant)

    async def attempt(number: int) -> httpx.Response:
        async with from_address(app, f"198.51.{number // 250}.{number % 250}") as client:
            return await log_in(client, email=email, password="guess")

    counted = tally(await in_crowds([attempt(number) for number in range(1_000)]))
    # Five at once, then one after 1, 2, 4 ... seconds: ten at most.
    assert 5 <= counted[401] <= MOST_OF_ACCOUNT
    assert counted[401] + counted[429] == 1_000


async def test_the_window_slides(
    anonymous: httpx.AsyncClient, tenant: Account, admin: Admin
) -> None:
    assert (await log_in(anonymous)).status_code == 401
    multiply_failures(admin)
    assert (await log_in(anonymous)).status_code == 429
    admin.execute(
        "update ops.login_attempts set failures = array(select f - interval '15 minutes'"
        " from unnest(failures) as f)"
    )
    assert (await log_in(anonymous)).status_code == 401


async def test_addresses_of_one_ipv6_network_are_one(
    app: FastAPI, anonymous: httpx.AsyncClient, tenant: Account, admin: Admin
) -> None:
    for number, address in enumerate(
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", "::ffff:198.51.100.7", "198.51.100.7")
    ):
        async with from_address(app, address) as client:
            await log_in(client, email=f"person{number}@example.com")
    counted = admin.execute("select cardinality(failures) from ops.login_attempts").fetchall()
    # Four accounts with one failure each, two addresses with two.
    assert sorted(row[0] for row in counted) == [1, 1, 1, 1, 2, 2]  # type: ignore[type-var]


async def test_the_api_cannot_read_or_reset_the_counts(settings: Settings) -> None:
    for statement in ("select * from ops.login_attempts", "delete from ops.login_attempts"):
        with (
            psycopg.connect(settings.dsn(DatabaseRole.APP)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


async def test_what_is_counted_names_nobody(
    anonymous: httpx.AsyncClient, tenant: Account, admin: Admin
) -> None:
    await log_in(anonymous)
    rows = admin.execute("select l::text from ops.login_attempts as l").fetchall()
    assert len(rows) == 2
    for name in ("owner", "example", "tenant-a", "127.0.0.1"):
        assert name not in str(rows)
