"""Trouble of a number that Meta tells without any message (`value.errors`), heard at any time."""

import psycopg
import pytest

from core.domain.ids import PhoneNumberId
from core.settings import DatabaseRole
from core.store import breakers
from core.store.database import Pool
from sender.applier.applier import apply_batch
from tests.sender.landing import land, messages_body
from tests.sender.world import World

PAUSED = "select pause_reason from app.phone_numbers where paused_until > now()"


def locked(world: World) -> None:
    """Meta's body arrives, and waits."""
    land(world, messages_body(world, errors=[{"code": 131031, "title": "locked"}]))


def resume(world: World) -> None:
    with psycopg.connect(world.settings.dsn(DatabaseRole.OPERATOR)) as connection:
        breakers.resume_number(connection, phone_number_id=PhoneNumberId(world.phone_number_id))


@pytest.mark.parametrize("waits", [True, False])
async def test_a_trouble_that_waited_does_not_undo_what_a_person_lifted_since(
    world: World, pool: Pool, waits: bool
) -> None:
    locked(world)
    await apply_batch(pool)
    assert world.one(PAUSED) == "131031 account_locked"
    if waits:
        locked(world)
        resume(world)
    else:
        resume(world)
        locked(world)
    await apply_batch(pool)
    assert [row[0] for row in world.execute(PAUSED)] == ([] if waits else ["131031 account_locked"])
