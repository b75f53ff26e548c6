"""Tenants at work while everything dies: campaign after campaign, and an endpoint that listens."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp
from aiohttp import web

from carteiro.demo import chapters
from carteiro.demo.chapters import Cast
from carteiro.demo.client import DemoFailed, Json, TenantClient
from carteiro.demo.people import DemoTenant
from carteiro.demo.stage import admit
from core.settings import Settings

T = TypeVar("T")
_AGAIN = (aiohttp.ClientError, TimeoutError, DemoFailed, ConnectionError)
_PATIENCE_SECONDS = 150.0
_LAUNCHED = {"running", "paused"} | chapters.CAMPAIGN_DONE
#: The next step of a campaign by its status; None where one can only wait.
_STEPS: dict[str, str | None] = {
    "draft": "plan",
    "planning": None,
    "planned": "approve",
    "approved": "launch",
}


@dataclass(slots=True)
class Sink:
    """A tenant's server that says no to every fiftieth event once, and notes what it heard."""

    port: int = 0
    #: How often each event came, by its id.
    ids: Counter[str] = field(default_factory=Counter)
    #: (type, id of the message or campaign) of what it took.
    facts: set[tuple[str, str]] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        event = json.loads(await request.read())
        self.ids[event["id"]] += 1
        if self.ids[event["id"]] == 1 and int(event["id"][-8:], 16) % 50 == 0:
            return web.Response(status=503)
        data = event["data"]
        self.facts.add((event["type"], str(data.get("message_id", data.get("campaign_id")))))
        return web.Response(status=204)


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    opened = Sink()
    app = web.Application()
    app.router.add_post("/hook", opened.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=512).start()
    opened.port = runner.addresses[0][1]
    try:
        yield opened
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class Tenant:
    """One tenant at work: its access and the campaigns it was told that exist."""

    cast: Cast
    template_id: str = ""
    campaigns: list[str] = field(default_factory=list)
    retries: int = 0

    async def settle_in(self, folder: Path, *, rows: int, seed: int, hook: str) -> None:
        """People, numbers, templates and an endpoint, before anything dies."""
        client = self.cast.client
        await chapters.import_people(self.cast, folder, rows=rows, seed=seed)
        await client.post("/v1/numbers/sync")
        await client.post("/v1/templates/sync")
        found = await client.get("/v1/templates", limit="200")
        self.template_id = next(
            row["template_id"]
            for row in found["items"]
            if row["name"] == self.cast.tenant.template and row["status"] == "APPROVED"
        )
        await client.post("/v1/webhook-endpoints", {"url": hook, "event_types": ["*"]})

    async def run_campaign(self) -> str:
        """Create, plan, approve and launch one, asking again whenever no answer comes."""
        number = len(self.campaigns) + 1
        body: Json = {
            "name": f"{self.cast.tenant.campaign} {number}",
            "phone_number_id": self.cast.tenant.phone_number_id,
            "template_id": self.template_id,
            "list_id": self.cast.imported["list_id"],
            "parameters": {"1": {"attribute": "name"}, "2": {"attribute": "store"}},
        }
        key = f"chaos-{self.cast.tenant.slug}-{number}"
        created = await self.insist(
            lambda: self.cast.client.post("/v1/campaigns", body, idempotency_key=key)
        )
        campaign_id = str(created["campaign_id"])
        self.campaigns.append(campaign_id)
        await self._launch(f"/v1/campaigns/{campaign_id}")
        return campaign_id

    async def _launch(self, path: str) -> None:
        """Whatever was lost on the way, its status says which step is next."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            campaign = await self.insist(lambda: self.cast.client.get(path))
            status = str(campaign["status"])
            if status in _LAUNCHED:
                return
            if status not in _STEPS or time.monotonic() > end:
                raise DemoFailed(f"{path} is {status}: {campaign.get('status_reason')}")
            step = _STEPS[status]
            if step is None:
                await asyncio.sleep(0.1)
                continue
            body = {"plan_hash": campaign["plan_hash"]} if step == "approve" else None
            try:
                await self.cast.client.post(f"{path}/{step}", body)
            except _AGAIN:
                self.retries += 1
                await asyncio.sleep(0.2)

    async def left(self, campaign_id: str) -> int:
        """Messages of a campaign that have not been taken up."""
        stats = await self.insist(
            lambda: self.cast.client.get(f"/v1/campaigns/{campaign_id}/stats")
        )
        return chapters.states(stats).get("queued", 0)

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call again until it is answered. Raises what the last call raised."""
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return await call()
            except _AGAIN:
                if time.monotonic() > end:
                    raise
                self.retries += 1
                await asyncio.sleep(0.2)


@asynccontextmanager
async def tenants_at_work(
    settings: Settings, people: Sequence[DemoTenant]
) -> AsyncIterator[list[Tenant]]:
    async with AsyncExitStack() as opened:
        yield [
            Tenant(
                Cast(
                    tenant=one.tenant,
                    tenant_id=str(one.tenant_id),
                    client=await opened.enter_async_context(
                        TenantClient(settings.api_base_url, one.api_key)
                    ),
                )
            )
            for one in admit(settings, people)
        ]


class Script:
    """When tenants launch another campaign, and when they have had enough."""

    def __init__(self, *, keep: int) -> None:
        self._keep = keep
        self.enough = asyncio.Event()
        self._now = asyncio.Event()

    def plan_now(self) -> None:
        """Somebody launches another campaign at once: the planner's killer waits for it."""
        self._now.set()

    async def play(self, tenant: Tenant) -> None:
        """Launch another campaign whenever few messages wait, until it is enough."""
        while not self.enough.is_set():
            self._now.clear()
            campaign_id = await tenant.run_campaign()
            while not await self._is_time(tenant, campaign_id):
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.enough.wait(), 0.4)

    async def _is_time(self, tenant: Tenant, campaign_id: str) -> bool:
        if self.enough.is_set() or self._now.is_set():
            return True
        return await tenant.left(campaign_id) < self._keep
