"""The keys that sign access tokens change while people work, and nobody notices."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from api.app import create_app
from carteiro.commands.keys import app as keys_command
from core.dsn import DatabaseRole
from core.errors import Conflict
from core.settings import Settings, get_settings
from core.store import signing_keys, tenants
from tests.api.conftest import Account, running
from tests.api.test_authentication import log_in, make_user
from tests.api.test_sessions import bearer, refresh, works
from tests.api.test_tokens import parts_of

Admin = psycopg.Connection[tuple[object, ...]]


@pytest.fixture
async def tokens(
    anonymous: httpx.AsyncClient, operator: tenants.Connection, tenant: Account
) -> dict[str, Any]:
    make_user(operator, tenant)
    signed_in: dict[str, Any] = (await log_in(anonymous)).json()
    return signed_in


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process looks for new keys every five seconds; here on every request."""
    monkeypatch.setattr("api.signing_keys._FRESH_SECONDS", 0.0)


def rotate(settings: Settings, **how: bool) -> dict[str, str]:
    """Rotate now; returns the kid of each state."""
    with psycopg.connect(settings.dsn(DatabaseRole.OPERATOR)) as connection:
        keys = signing_keys.rotate(connection, now=datetime.now(UTC), **how)
    return {key.state: key.kid for key in keys}


async def published(client: httpx.AsyncClient) -> set[str]:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert all(
        set(key) == {"kid", "kty", "crv", "x", "use", "alg"} for key in answer.json()["keys"]
    )
    return {key["kid"] for key in answer.json()["keys"]}


async def test_a_key_is_published_then_signs_then_is_believed_then_retires(
    anonymous: httpx.AsyncClient, settings: Settings, tokens: dict[str, Any], admin: Admin
) -> None:
    configured = parts_of(tokens["access_token"])[0]["kid"]
    assert await published(anonymous) == {configured}
    first = rotate(settings)
    assert first["current"] == configured
    assert await published(anonymous) == {configured, first["next"]}
    assert await works(anonymous, tokens)
    with pytest.raises(Conflict):
        rotate(settings)
    admin.execute("update ops.signing_keys set created_at = now() - interval '25 hours'")
    second = rotate(settings)
    assert (second["current"], second["retiring"]) == (first["next"], configured)
    assert await published(anonymous) == {configured, second["current"], second["next"]}
    assert await works(anonymous, tokens)
    fresh = (await log_in(anonymous)).json()
    assert parts_of(fresh["access_token"])[0]["kid"] == second["current"]
    [ends] = admin.execute(
        "select retires_at - now() from ops.signing_keys where state = 'retiring'"
    ).fetchone() or [None]
    assert isinstance(ends, timedelta)
    assert timedelta(minutes=16) < ends <= timedelta(minutes=18)
    admin.execute(
        "update ops.signing_keys set retires_at = now() - interval '1 second'"
        " where state = 'retiring'"
    )
    assert not await works(anonymous, tokens)
    assert configured not in await published(anonymous)
    assert await works(anonymous, fresh)


async def test_a_leaked_key_is_worthless_at_once_and_sessions_go_on(
    anonymous: httpx.AsyncClient, settings: Settings, tokens: dict[str, Any]
) -> None:
    rotate(settings, leaked=True)
    assert not await works(anonymous, tokens)
    following = await refresh(anonymous, tokens["refresh_token"])
    assert await works(anonymous, following.json())


def test_private_halves_are_kept_encrypted_and_destroyed_after_use(
    settings: Settings, admin: Admin
) -> None:
    rotate(settings)
    rotate(settings, early=True)
    rows = admin.execute("select state, private_sealed from ops.signing_keys").fetchall()
    assert {state for state, sealed in rows if sealed is None} == {"retiring"}
    assert all(b"PRIVATE" not in bytes(sealed) for _, sealed in rows if sealed is not None)  # type: ignore[call-overload]


def test_only_one_of_two_rotations_at_once_happens(settings: Settings, admin: Admin) -> None:
    rotate(settings)
    admin.execute("update ops.signing_keys set created_at = now() - interval '25 hours'")
    rotate(settings)
    with pytest.raises(Conflict):
        rotate(settings)


async def test_twenty_rotations_under_load_fail_no_request_in_two_processes(
    settings: Settings, operator: tenants.Connection, tenant: Account
) -> None:
    make_user(operator, tenant)
    statuses: list[int] = []
    served, done = asyncio.Semaphore(0), asyncio.Event()

    async def work(client: httpx.AsyncClient, other: httpx.AsyncClient) -> None:
        tokens = (await log_in(client)).json()
        while not done.is_set():
            for asked in (client, other):
                answer = await asked.get("/v1/tenant", headers=bearer(tokens))
                statuses.append(answer.status_code)
                served.release()
            tokens = (await refresh(other, tokens["refresh_token"])).json()
            client, other = other, client

    async with running(create_app(settings)) as one, running(create_app(settings)) as two:
        workers = [asyncio.create_task(work(one, two)) for _ in range(3)]
        kids = set()
        for _ in range(20):
            kids.add((await asyncio.to_thread(rotate, settings, early=True))["current"])
            for _ in range(4):
                await served.acquire()
        done.set()
        await asyncio.gather(*workers)
    assert len(kids) == 20
    assert len(statuses) >= 80
    assert set(statuses) == {200}


async def test_the_commands_list_and_rotate(
    app: FastAPI, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARTEIRO_DATABASE_URL", settings.database_url)
    get_settings.cache_clear()
    run = CliRunner()
    assert "configured key" in run.invoke(keys_command, ["ls"]).output
    assert run.invoke(keys_command, ["rotate"]).exit_code == 0
    assert isinstance(run.invoke(keys_command, ["rotate"]).exception, Conflict)
    listed = run.invoke(keys_command, ["ls"]).output
    assert [line.split()[1] for line in listed.splitlines()] == ["next", "current"]
