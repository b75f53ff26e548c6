"""The right person gets in while strangers guess, and what was right is no failure."""

import httpx
import psycopg
from fastapi import FastAPI

from api.login_throttle import MOST_OF_ADDRESS
from core.store import tenants
from tests.api.conftest import Account
from tests.api.test_authentication import log_in, make_user
from tests.api.test_login_throttle import from_address
from tests.api.test_sessions import multiply_failures, refresh, works

Admin = psycopg.Connection[tuple[object, ...]]


async def test_strangers_who_guess_keep_nobody_out_who_has_been_here(
    app: FastAPI,
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    admin: Admin,
) -> None:
    make_user(operator, tenant)
    tokens = (await log_in(anonymous)).json()
    async with from_address(app, "198.51.100.7") as stranger:
        assert (await log_in(stranger, password="guess")).status_code == 401
        multiply_failures(admin)
        assert (await log_in(stranger, password="guess")).status_code == 429
        # Also with the right password: a stranger mustn't learn that it is.
        assert (await log_in(stranger)).status_code == 429
    assert (await log_in(anonymous)).status_code == 200
    assert await works(anonymous, tokens)
    assert (await refresh(anonymous, tokens["refresh_token"])).status_code == 200


async def test_right_passwords_are_no_failures_of_a_busy_office(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account, admin: Admin
) -> None:
    make_user(operator, tenant)
    for _ in range(3):
        assert (await log_in(anonymous)).status_code == 200
    rows = admin.execute("select cardinality(failures) from ops.login_attempts").fetchall()
    assert rows
    assert {row[0] for row in rows} == {0}
    assert MOST_OF_ADDRESS > 3


async def test_a_full_queue_of_passwords_is_503_and_counts_nobody(
    app: FastAPI,
    anonymous: httpx.AsyncClient,
    operator: tenants.Connection,
    tenant: Account,
    admin: Admin,
) -> None:
    make_user(operator, tenant)
    app.state.api.passwords._waiting = 1_000
    answer = await log_in(anonymous)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["retry-after"] == "2"
    app.state.api.passwords._waiting = 0
    rows = admin.execute("select cardinality(failures) from ops.login_attempts").fetchall()
    assert {row[0] for row in rows} == {0}
    assert (await log_in(anonymous)).status_code == 200
