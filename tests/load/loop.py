"""Rows `loop`: the whole way on two cores, from a planned campaign to statuses applied.

API, planner, pacer, two workers, applier, settler, notifier, PostgreSQL, broker and the sandbox
share the cores of this machine. A message that was lost or sent twice leaves no figure.
"""

import urllib.request
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from tests.load.memory import MemoryWatch
from tests.load.registry import Figure, Promise, benchmarks
from tests.load.stage import Broker, Stage
from tests.load.whole_path import (
    IN_A_POST,
    PER_SECOND,
    WholePath,
    plan_campaign,
    start_whole_path,
)
from tests.sender.world import World

_STATUSES: Final = ("sent", "delivered", "read")


@benchmarks(
    Promise(name="loop", unit="messages/s", target=1_000, peer=None),
    Promise(name="loop applied p99 s", unit="s", target=5, peer=None, less_is_better=True),
    Promise(name="loop memory growth %", unit="%", target=5, peer=None, less_is_better=True),
    seconds=120,
)
def measure_loop(stage: Stage) -> tuple[Figure, ...]:
    """A campaign of a number at 1,000/s that lasts `--minutes`, three statuses a message."""
    stage.require_cores(2)
    broker = stage.broker()
    loop = start_whole_path(stage, broker, count=int(PER_SECOND * 60 * stage.minutes))
    plan_campaign(stage, loop)
    cpu, database_cpu = loop.cpu(), stage.database_cpu()
    with MemoryWatch(loop.processes) as memory:
        _launch(stage, loop)
    stage.wait_for(lambda: _waiting(loop.world) == 0, 1_800, every=0.5)
    stage.say("every status is applied")
    cpu = {name: after - cpu[name] for name, after in loop.cpu().items()}
    cpu["PostgreSQL"] = stage.database_cpu() - database_cpu
    _require_exactly_once(loop)
    seconds = float(
        loop.world.one(
            "select extract(epoch from max(accepted_at) - min(accepted_at)) from app.messages"
        )
    )
    return _figures(loop, broker, memory, cpu, seconds)


def _launch(stage: Stage, loop: WholePath) -> None:
    """Until every message is accepted."""
    loop.world.execute("update app.campaigns set status = 'running', launched_at = now()")
    minutes = stage.minutes
    stage.wait_for(lambda: loop.accepted() >= loop.count, 300 + 600 * minutes, every=1.0)
    stage.say(f"{loop.count:,} messages are accepted")


def _waiting(world: World) -> int:
    """Messages whose last status is not applied yet."""
    return int(world.one("select count(*) from app.messages where state <> 'read'"))


def _require_exactly_once(loop: WholePath) -> None:
    """Raises RuntimeError when the sandbox's books and ours differ."""
    theirs, ours = loop.ledger(), loop.world.events()
    doubled = {kind: theirs["duplicates"][kind] for kind in ("by_message", "by_recipient_content")}
    if theirs["accepted_total"] != loop.count or any(doubled.values()):
        raise RuntimeError(f"{theirs['accepted_total']} of {loop.count} accepted, {doubled}")
    expected = dict.fromkeys(("planned", "accepted", *_STATUSES), loop.count)
    found = {name: ours.get(name) for name in expected}
    if found != expected:
        raise RuntimeError(f"{loop.count} messages have events {found}")


def _figures(
    loop: WholePath, broker: Broker, memory: MemoryWatch, cpu: dict[str, float], seconds: float
) -> tuple[Figure, ...]:
    each = ", ".join(
        f"{name} {used / loop.count * 1e6:.0f}"
        for name, used in sorted(cpu.items(), key=lambda item: -item[1])
    )
    ages = _ages(loop.applier_metrics)
    # The sandbox is the judge and remembers every message.
    growth = {name: by for name, by in memory.growth_percent().items() if name != "sandbox"}
    worst = max(growth, key=lambda name: growth[name])
    held = ", ".join(f"{name} {size} MB" for name, size in memory.megabytes().items())
    refused = loop.ledger()["refused_by_code"] or "none"
    return (
        Figure(
            value=loop.count / seconds,
            peer_value=None,
            note=(
                f"{loop.count:,} messages in {seconds:.0f} s from the first to the last accepted;"
                f" broker {broker.name}; 0 lost, 0 doubled by the sandbox's ledger; refused by the"
                f" sandbox: {refused}; CPU a message in us (broker not counted): {each}"
            ),
        ),
        Figure(
            value=_quantile(ages, 0.99),
            peer_value=None,
            note=(
                f"from landing to applied, of bodies with up to {IN_A_POST} statuses;"
                f" within 5 s: {ages[5.0] / ages[float('inf')]:.2%}"
            ),
        ),
        Figure(
            value=max(growth[worst], 0.0),
            peer_value=None,
            note=f"{worst}; resident memory, second quarter to last; most held: {held}",
        ),
    )


def _ages(url: str) -> dict[float, float]:
    """Upper bound in seconds -> bodies applied within it, from the applier's own histogram."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        float(sample.labels["le"]): sample.value
        for family in families
        for sample in family.samples
        if sample.name == "carteiro_webhook_age_seconds_bucket"
    }


def _quantile(cumulative: dict[float, float], share: float) -> float:
    """As Prometheus' histogram_quantile: linear inside a bucket."""
    wanted = cumulative[float("inf")] * share
    lower, below = 0.0, 0.0
    for upper, count in sorted(cumulative.items()):
        if count >= wanted:
            if upper == float("inf"):
                return lower
            return lower + (upper - lower) * (wanted - below) / (count - below)
        lower, below = upper, count
    return lower
