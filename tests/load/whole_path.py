"""The whole live path as processes on all cores: API, the parts of the sender, sandbox."""

import json
import urllib.request
from dataclasses import dataclass
from typing import Any, Final

import psutil

from tests.chaos.live_path import sandbox_config
from tests.load.people import fill_list
from tests.load.servers import answers, start_api
from tests.load.stage import Broker, Stage, cpu_seconds, product_environment
from tests.sender.world import World
from tests.support.settings import free_port

PER_SECOND: Final = 1_000
IN_A_POST: Final = 10
_SENDER: Final = ("planner", "pacer", "worker-1", "worker-2", "applier", "settler", "notifier")


@dataclass(frozen=True, slots=True, kw_only=True)
class WholePath:
    """Everything that runs."""

    world: World
    count: int
    processes: dict[str, psutil.Process]
    sandbox_url: str
    applier_metrics: str

    def ledger(self) -> dict[str, Any]:
        """What the sandbox accepted and told: the judge."""
        with urllib.request.urlopen(f"{self.sandbox_url}/sandbox/ledger/summary") as answer:
            summary: dict[str, Any] = json.load(answer)
        return summary

    def accepted(self) -> int:
        """Messages the sandbox took."""
        return int(self.ledger()["accepted_total"])

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each process so far."""
        return {name: cpu_seconds([process]) for name, process in self.processes.items()}


def start_whole_path(stage: Stage, broker: Broker, *, count: int) -> WholePath:
    """Everything running, and `count` people on a list."""
    settings = stage.database()
    stage.spread_database()
    world = World(settings=settings).build(throughput=PER_SECOND)
    stage.say(f"{count:,} people are written; broker {broker.name}")
    fill_list(settings, world, count)
    sandbox_port, metrics_port = free_port(), free_port()
    url = f"http://127.0.0.1:{sandbox_port}"
    environment = product_environment(settings, broker, url)
    environment["CARTEIRO_HOME"] = str(stage.folder)
    api, api_port = start_api(stage, environment, core=None)
    config = stage.folder / "sandbox.json"
    config.write_text(json.dumps(_sandbox(world)))
    callback = f"http://127.0.0.1:{api_port}/webhooks/meta"
    sandbox = stage.start(
        "sandbox",
        [
            *("-m", "sandbox", "--config", str(config), "--port", str(sandbox_port)),
            *("--callback", callback),
        ],
        core=None,
    )
    stage.wait_for(lambda: answers(f"{url}/sandbox/health"), 120)
    processes = {"api": api, "sandbox": sandbox}
    for name in _SENDER:
        own = {"CARTEIRO_METRICS_PORT": str(metrics_port)} if name == "applier" else {}
        arguments = ["-m", "sender", name.partition("-")[0]]
        processes[name] = stage.start(name, arguments, core=None, **environment, **own)
    return WholePath(
        world=world,
        count=count,
        processes=processes,
        sandbox_url=url,
        applier_metrics=f"http://127.0.0.1:{metrics_port}/metrics",
    )


def _sandbox(world: World) -> dict[str, Any]:
    """Three statuses for everybody."""
    return sandbox_config(
        world,
        throughput=PER_SECOND,
        delivery={
            "sent_ms": [50, 250],
            "delivered_ms": [300, 1500],
            "read_ms": [1500, 6000],
            "read_probability": 1.0,
        },
        callback={"batch_size": IN_A_POST, "flush_interval_ms": 20},
    )


def plan_campaign(stage: Stage, loop: WholePath) -> None:
    """The planner takes what is in planning; who approves it is not measured here."""
    campaign_id = loop.world.add_campaign(status="planning")
    question = "select status from app.campaigns where campaign_id = %s"
    stage.wait_for(lambda: loop.world.one(question, campaign_id) == "planned", 300, every=0.5)
    stage.say("planned")
