"""What is kept for a stated time is gone after it, and not a day sooner."""

from uuid import UUID

import pytest

from core.domain.ids import new_id
from core.settings import Settings
from core.store import leftovers
from core.store.database import Pool, platform_transaction
from sender.importer.importer import import_next
from sender.scheduler.stalls import look_at_imports
from sender.settler.expiry import expire
from tests.sender.test_importer import upload
from tests.sender.world import World


def keys(world: World) -> set[str]:
    return {
        str(key) for (key,) in world.execute("select idempotency_key from app.idempotency_keys")
    }


def add_key(world: World, name: str, age: str) -> None:
    world.execute(
        "insert into app.idempotency_keys (tenant_id, idempotency_key, operation, request_hash,"
        " created_at) values (%s, %s, 'send_message', '', now() - %s::interval)",
        world.tenant_id,
        name,
        age,
    )


def add_session(world: World, user_id: UUID, ended_ago: str) -> UUID:
    session_id = new_id()
    world.execute(
        "insert into app.sessions (tenant_id, session_id, user_id, address_digest, created_at,"
        " last_used_at, idle_until, ends_at) select %s, %s, %s, decode(repeat('00', 32), 'hex'),"
        " ends - interval '90 days', ends, ends, ends from (select now() - %s::interval as ends) x",
        world.tenant_id,
        session_id,
        user_id,
        ended_ago,
    )
    for generation, used in ((1, "31 days"), (2, "29 days"), (3, None)):
        world.execute(
            "insert into app.refresh_tokens (tenant_id, session_id, generation, token_hash,"
            " issued_at, used_at) values (%s, %s, %s, decode(repeat('00', 32), 'hex'), now(),"
            " now() - %s::interval)",
            world.tenant_id,
            session_id,
            generation,
            used,
        )
    return session_id


async def test_idempotency_keys_are_forgotten_after_their_day(
    world: World, pool: Pool, database: Settings
) -> None:
    add_key(world, "yesterday", "24 hours 1 minute")
    add_key(world, "today", "23 hours 59 minutes")
    await expire(database, pool)
    assert keys(world) == {"today"}


async def test_more_leftovers_than_a_batch_are_forgotten_too(
    world: World, pool: Pool, database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sender.settler.expiry._BATCH", 2)
    for number in range(7):
        add_key(world, f"old {number}", "2 days")
    await expire(database, pool)
    assert keys(world) == set()


async def test_sessions_and_used_tokens_are_forgotten_in_their_time(
    world: World, pool: Pool
) -> None:
    user_id = new_id()
    world.execute(
        "insert into app.users (tenant_id, user_id, email, name, password_hash, role)"
        " values (%s, %s, 'ana@example.com', 'Ana', 'x', 'owner')",
        world.tenant_id,
        user_id,
    )
    live = add_session(world, user_id, "-1 day")
    recent = add_session(world, user_id, "6 days")
    add_session(world, user_id, "8 days")
    async with platform_transaction(pool) as connection:
        assert await leftovers.forget(connection, limit=100) == 4
    left = world.execute("select session_id from app.sessions order by ends_at desc")
    assert [session_id for (session_id,) in left] == [live, recent]
    tokens = world.execute(
        "select generation from app.refresh_tokens where session_id = %s order by 1", live
    )
    assert [generation for (generation,) in tokens] == [2, 3]


async def test_an_import_at_which_nobody_works_raises_one_alert_that_closes_itself(
    world: World, pool: Pool
) -> None:
    import_id = upload(world, b"phone\n+5511987654321\n")

    def alerts() -> list[tuple[object, ...]]:
        return list(
            world.execute(
                "select subject, closed_at is null from app.alerts where kind = 'import_waiting'"
            )
        )

    world.execute("update app.imports set worked_at = now() - interval '599 seconds'")
    assert await look_at_imports(pool, seconds=600) == 0
    assert alerts() == []
    world.execute("update app.imports set worked_at = now() - interval '601 seconds'")
    assert await look_at_imports(pool, seconds=600) == 1
    assert await look_at_imports(pool, seconds=600) == 1
    assert alerts() == [(str(import_id), True)]
    while await import_next(pool):
        pass
    assert await look_at_imports(pool, seconds=600) == 0
    assert alerts() == [(str(import_id), False)]
