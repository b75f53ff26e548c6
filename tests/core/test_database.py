"""The pool against a server that goes away and comes back."""

import asyncio
import time
from contextlib import suppress

import psycopg
import pytest

from core.domain.ids import TenantId, new_id
from core.dsn import DatabaseRole
from core.errors import Unavailable
from core.settings import Settings
from core.store.database import (
    Pool,
    open_pool,
    platform_transaction,
    single_statements,
    tenant_transaction,
)
from tests.support.gates import Gate, gate_before

_AWAY_SECONDS = 8.0


async def answers(pool: Pool) -> bool:
    try:
        async with platform_transaction(pool) as connection:
            await connection.execute("select 1")
    except (Unavailable, psycopg.OperationalError):
        return False
    return True


@pytest.mark.slow
async def test_a_server_that_was_away_is_used_again_within_three_seconds(
    database: Settings,
) -> None:
    async with (
        gate_before(database.dsn(DatabaseRole.WORKER)) as (gate, dsn),
        open_pool(dsn, name="through the gate", max_size=2) as pool,
    ):
        assert await answers(pool)
        await gate.shut()
        shut_at = time.monotonic()
        while time.monotonic() - shut_at < _AWAY_SECONDS:
            patience = _AWAY_SECONDS - (time.monotonic() - shut_at)
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    assert not await answers(pool)
        await gate.open()
        opened_at = time.monotonic()
        while not await answers(pool):
            continue
        assert time.monotonic() - opened_at < 3.0


async def freeze_within_a_transaction(gate: Gate, pool: Pool) -> None:
    async with platform_transaction(pool, seconds=0.2) as connection:
        gate.freeze()
        await connection.execute("select 1")


async def test_a_transaction_on_a_server_that_froze_ends_at_its_time(database: Settings) -> None:
    async with (
        gate_before(database.dsn(DatabaseRole.WORKER)) as (gate, dsn),
        open_pool(dsn, name="through the gate", max_size=2) as pool,
        asyncio.timeout(30),
    ):
        with pytest.raises(psycopg.OperationalError):
            await freeze_within_a_transaction(gate, pool)
        # An idle connection is no better: it is tried before its use.
        assert not await answers(pool)
        gate.thaw()
        while not await answers(pool):
            continue


async def lose_the_connection(pool: Pool) -> None:
    async with platform_transaction(pool) as connection:
        await connection.execute("select 1")
        await connection.close()


async def test_a_transaction_whose_connection_is_lost_before_its_commit_is_an_error(
    database: Settings,
) -> None:
    async with open_pool(database.dsn(DatabaseRole.WORKER), name="lost") as pool:
        with pytest.raises(psycopg.OperationalError):
            await lose_the_connection(pool)


async def test_a_tenant_that_is_no_uuid_never_reaches_the_database(database: Settings) -> None:
    async with open_pool(database.dsn(DatabaseRole.APP), name="text") as pool:
        with pytest.raises(AttributeError):
            async with tenant_transaction(pool, "', true); drop table x; --"):  # type: ignore[arg-type]
                pass


async def test_a_snapshot_sees_one_instant_and_writes_nothing(database: Settings) -> None:
    tenant_id = TenantId(new_id())
    async with open_pool(database.dsn(DatabaseRole.APP), name="snapshot") as pool:
        async with tenant_transaction(pool, tenant_id, snapshot=True) as connection:
            shown = await connection.execute(
                "select current_setting('transaction_isolation'),"
                " current_setting('transaction_read_only'), current_setting('app.tenant_id')"
            )
            assert await shown.fetchone() == ("repeatable read", "on", str(tenant_id))
        async with single_statements(pool) as connection:
            after = await connection.execute("select current_setting('app.tenant_id', true)")
            assert await after.fetchone() == ("",)
