"""Every program of the stack is killed while campaigns run: nothing is lost or doubled.

The short form of `make chaos-crash`: each program once, workers twice, on one broker. Valkey and
RabbitMQ take turns by day; CARTEIRO_TEST_CHAOS_BROKER chooses one, CARTEIRO_TEST_CHAOS_SEED others
times and another order.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.chaos.arena import Broker
from tests.chaos.killer import BACKEND, RESTART
from tests.chaos.run import Plan, run
from tests.support.services import RABBITMQ_SERVER

SEED = int(os.environ.get("CARTEIRO_TEST_CHAOS_SEED", "20261123"))
VICTIMS = {
    *("worker-1", "worker-2", "pacer", "pacer-2", "planner", "applier", "applier-2", "settler"),
    *("api", "notifier", "sandbox", "postgres", BACKEND, RESTART),
}


def broker_of_the_day() -> Broker:
    chosen = os.environ.get("CARTEIRO_TEST_CHAOS_BROKER", "")
    if chosen:
        return "rabbitmq" if chosen == "rabbitmq" else "valkey"
    is_odd = datetime.now(UTC).toordinal() % 2 == 1
    return "rabbitmq" if is_odd and RABBITMQ_SERVER.exists() else "valkey"


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_a_kill_of_any_process_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    plan = Plan(
        broker=broker_of_the_day(),
        seed=SEED,
        kills=len(VICTIMS) + 3,
        rows=150,
        per_second=40,
        pause_seconds=(0.1, 0.6),
        keep=40,
        settle_seconds=150,
        quiet_seconds=20,
        advance_leases=True,
    )
    outcome = run(plan, tmp_path, print)
    print(*outcome.journal, sep="\n")
    assert outcome.violations == []
    assert {killing.victim for killing in outcome.journal} == {*VICTIMS, plan.broker}
    assert outcome.verdict is not None
    assert (outcome.verdict.lost, outcome.verdict.doubled, outcome.verdict.denied) == (0, 0, 0)
    assert outcome.verdict.accepted > 0
    assert outcome.verdict.webhooks_due > outcome.verdict.accepted
