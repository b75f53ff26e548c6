"""Workers are killed at random moments of a campaign: nobody is lost, nobody written to twice."""

import random
import time
from pathlib import Path

import pytest

from core.settings import Settings, get_settings
from tests.chaos.live_path import live_path, sandbox_config
from tests.sender.world import World
from tests.support.settings import SECRET_KEY

PEOPLE = 3_000
KILLS = 20
PER_SECOND = 150
#: Answers that never come, of sends that were taken and of sends that were not: they keep tickets
#: open for a second, so that nearly every kill hits some in flight.
FAULTS = {"answers": {"hang_accepted": 0.01, "hang_unaccepted": 0.03}, "hang_seconds": 1.0}


@pytest.fixture(autouse=True)
def _master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    get_settings.cache_clear()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_twenty_kills_of_workers_lose_nobody_and_double_nobody(
    database: Settings, valkey_url: str, tmp_path: Path
) -> None:
    world = World(settings=database).build(throughput=PER_SECOND)
    world.add_contacts(PEOPLE)
    campaign = world.add_campaign(status="planning")
    chance = random.Random(20_261_123)
    with live_path(
        tmp_path,
        database,
        valkey_url,
        CARTEIRO_LEASE_SECONDS="4",
        CARTEIRO_SEND_TIMEOUT_SECONDS="2",
        CARTEIRO_IN_DOUBT_QUIET_SECONDS="4",
    ) as path:
        path.start_api()
        path.start_sandbox(sandbox_config(world, throughput=PER_SECOND * 2, faults=FAULTS))
        for part in ("planner", "pacer", "applier", "settler"):
            path.start_sender(part)
        path.start_sender("worker", "worker-0")
        path.start_sender("worker", "worker-1")
        path.wait_for(lambda: world.states() == {"queued": PEOPLE}, 60)
        world.execute("update app.campaigns set status = 'running', launched_at = now()")
        path.wait_for(lambda: path.ledger()["accepted_total"] > 0, 30)
        for number in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.2))
            name = f"worker-{number % 2}"
            path.kill(name)
            path.start_sender("worker", name)
        path.wait_for(
            lambda: world.one("select finished_at is not null from app.campaigns") is True, 90
        )
        path.wait_for(lambda: path.ledger()["statuses"]["pending"] == 0, 30)
        path.wait_for(lambda: world.one("select count(*) from raw.webhook_queue") == 0, 30)
        ledger = path.ledger()
    assert ledger["duplicates"]["by_message"] == 0, ledger["duplicates"]
    assert ledger["duplicates"]["by_recipient_content"] == 0
    assert ledger["distinct_messages"] == PEOPLE
    assert ledger["accepted_total"] == PEOPLE
    assert set(world.states()) <= {"sent", "delivered", "read"}
    assert sum(world.states().values()) == PEOPLE
    events = world.events()
    assert (events["planned"], events["accepted"], events["sent"]) == (PEOPLE, PEOPLE, PEOPLE)
    # Kills that hit nobody in flight would prove nothing.
    expired = world.one("select count(*) from app.message_attempts where outcome = 'lease_expired'")
    assert expired > 0
    assert world.one("select count(*) from app.messages where conflict is not null") == 0
    assert world.one("select count(*) from app.messages where campaign_id = %s", campaign) == PEOPLE
    print(f"{KILLS} kills: {expired} leases ended, {events['in_doubt']} sends in doubt")
