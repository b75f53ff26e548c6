"""A tenant's webhook server, and an endpoint of a tenant that points to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from aiohttp import web

from core.domain.ids import TenantId, new_id
from core.settings import Settings
from core.store.endpoints import new_secret, seal_secret
from tests.sender.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[Received], web.StreamResponse]


def _ok(_: Received) -> web.StreamResponse:
    return web.Response(status=204)


@dataclass(slots=True, kw_only=True)
class EndpointStub:
    """Answers as `reply` says; keeps what it got. While `hanging` it holds requests to /slow."""

    url: str = ""
    port: int = 0
    reply: Reply = _ok
    received: list[Received] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    open_calls: int = 0

    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.received]


@asynccontextmanager
async def endpoint_stub() -> AsyncIterator[EndpointStub]:
    stub = EndpointStub()

    async def answer(request: web.Request) -> web.StreamResponse:
        got = Received(
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        stub.received.append(got)
        if got.path.startswith("/slow"):
            stub.open_calls += 1
            try:
                await stub.released.wait()
            finally:
                stub.open_calls -= 1
        return stub.reply(got)

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.port = runner.addresses[0][1]
    stub.url = f"http://127.0.0.1:{stub.port}"
    yield stub
    stub.released.set()
    await runner.cleanup()


def webhook_settings(settings: Settings, *stubs: EndpointStub, **changes: object) -> Settings:
    """Settings under which the stubs may be reached."""
    ports = ",".join(str(stub.port) for stub in stubs)
    return settings.model_copy(
        update={
            "webhook_allow_http": True,
            "webhook_ports": ports,
            "webhook_allowed_networks": "127.0.0.0/8",
            "webhook_timeout_seconds": 5,
            **changes,
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint in the database."""

    endpoint_id: UUID
    secret: str


def add_endpoint(world: World, url: str, *event_types: str) -> Endpoint:
    """An endpoint of the world's tenant; without types it gets everything."""
    endpoint_id, secret = new_id(), new_secret()
    world.execute(
        "insert into app.webhook_endpoints (tenant_id, endpoint_id, url, event_types, created_by)"
        " values (%s, %s, %s, %s, 'test')",
        world.tenant_id,
        endpoint_id,
        url,
        list(event_types or ("*",)),
    )
    add_secret(world, endpoint_id, secret)
    return Endpoint(endpoint_id=endpoint_id, secret=secret)


def add_secret(world: World, endpoint_id: UUID, secret: str, *, expires: str = "null") -> None:
    world.execute(
        "insert into app.webhook_secrets (tenant_id, endpoint_id, secret_id, secret_encrypted,"
        f" expires_at) values (%s, %s, %s, %s, {expires})",
        world.tenant_id,
        endpoint_id,
        new_id(),
        seal_secret(TenantId(world.tenant_id), endpoint_id, secret),
    )


def emit(world: World, event_type: str = "campaign.started", *, count: int = 1) -> int:
    """Events of the world's tenant; returns to how many endpoints they go."""
    told: int = world.one(
        "select coalesce(sum(app.emit_tenant_event(%s, %s, jsonb_build_object('number', n))), 0)"
        " from generate_series(1, %s) as n",
        world.tenant_id,
        event_type,
        count,
    )
    return int(told)
