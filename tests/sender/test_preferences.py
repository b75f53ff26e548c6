"""What people say of marketing inside WhatsApp (`user_preferences`), however Meta names them."""

from typing import Any

import pytest

from core.store.database import Pool
from sender.applier.applier import apply_batch
from tests.sender.landing import field_body, land
from tests.sender.test_people import ANA, NOON, USER, hear, said
from tests.sender.world import World

PREFERENCE = {"category": "marketing_messages", "timestamp": int(NOON.timestamp())}


@pytest.mark.parametrize("word", ["stop", "STOP"])
@pytest.mark.parametrize("people", [[{"wa_id": ANA}], {"wa_id": ANA}, [{"user_id": USER}]])
async def test_a_stop_that_names_nobody_is_of_the_one_person_of_its_body(
    world: World, pool: Pool, people: Any, word: str
) -> None:
    await hear(world, pool, said(from_user_id=USER))
    value = {"contacts": people, "user_preferences": [{**PREFERENCE, "value": word}]}
    land(world, field_body(world, "user_preferences", value))
    await apply_batch(pool)
    assert world.one("select granted from app.consent_states") is False
    assert world.one("select count(*) from app.contacts") == 1


async def test_a_stop_that_names_nobody_of_two_is_put_aside(world: World, pool: Pool) -> None:
    people = [{"wa_id": ANA}, {"wa_id": "5511930000000"}]
    value = {"contacts": people, "user_preferences": [{**PREFERENCE, "value": "stop"}]}
    land(world, field_body(world, "user_preferences", value))
    await apply_batch(pool)
    assert world.one("select reason from raw.webhook_quarantine") == "malformed"
    assert world.execute("select 1 from app.consent_states") == []


async def test_a_stop_under_a_parent_id_is_kept_for_that_id(world: World, pool: Pool) -> None:
    parent = "BR.ENT.13491208655302741918"
    item = {**PREFERENCE, "value": "stop", "parent_user_id": parent}
    land(world, field_body(world, "user_preferences", {"user_preferences": [item]}))
    await apply_batch(pool)
    assert world.one(
        "select c.address, s.granted from app.contacts as c"
        " inner join app.consent_states as s using (tenant_id, contact_id)"
    ) == (parent, False)
