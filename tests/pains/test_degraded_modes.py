"""A part is away: each row of docs/degraded-modes.md that no other test shows."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from api.app import create_app
from carteiro.home import Home
from carteiro.valkey import EmbeddedValkey
from core.broker.connection import TicketPublisher
from core.broker.envelopes import Ticket
from core.dsn import DatabaseRole, parse_dsn, write_url
from core.errors import BrokerUnavailable
from core.settings import Settings
from core.store.database import Pool
from core.whatsapp.client import open_session
from sender.applier.applier import apply_batch
from sender.pacer.pacer import Pacer
from sender.worker.dispatcher import Dispatcher
from tests.api.conftest import Account, running
from tests.api.test_campaigns import Admin, make_template
from tests.api.test_messages import key, template_message
from tests.api.test_webhook_landing import URL, signed, stored
from tests.chaos.live_path import LivePath, live_path
from tests.sender.landing import messages_body, status, token_of
from tests.sender.meta_stub import MetaStub
from tests.sender.test_pacer import ticks
from tests.sender.world import World
from tests.support import embedded
from tests.support.gates import gate_before
from tests.support.settings import free_port

_PATIENCE_SECONDS = 60


class Valkey:
    """A broker of this test's own, to stop and to start again, empty, at the same address."""

    def __init__(self, folder: Path) -> None:
        self._home = Home(folder)
        self._home.prepare()
        self._server = EmbeddedValkey(
            folder=self._home.path / "valkey",
            port=free_port(),
            password=secrets.token_urlsafe(12),
            durable=False,
        )
        self.url = self._server.url()

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        command = await asyncio.to_thread(self._server.prepare)
        with embedded.running(command, self._home, "valkey", self._server):
            yield


async def come_to_pass(path: LivePath, condition: Callable[[], bool]) -> None:
    """Wait without stopping the stub of Meta, which answers in this loop."""
    await asyncio.to_thread(path.wait_for, condition, _PATIENCE_SECONDS)


def delivered(world: World) -> bytes:
    """Meta's news that the first message it accepted has been delivered."""
    message_id, wamid = world.execute(
        "select message_id, wamid from app.messages where tenant_id = %s and state = 'accepted'"
        " order by message_id limit 1",
        world.tenant_id,
    )[0]
    token = token_of(world, message_id)
    return json.dumps(messages_body(world, status(wamid, "delivered", token=token))).encode()


@pytest.mark.slow
async def test_broker_away_messages_wait_and_the_api_and_webhooks_go_on(
    settings: Settings,
    world: World,
    tenant: Account,
    api: httpx.AsyncClient,
    admin: Admin,
    pool: Pool,
    meta: MetaStub,
    tmp_path: Path,
) -> None:
    make_template(admin, tenant, category="utility")
    valkey = Valkey(tmp_path / "broker")
    campaign = world.add_campaign()
    world.add_messages(campaign, world.add_contacts(20))
    environment = {"CARTEIRO_META_BASE_URL": meta.url}
    with live_path(tmp_path, settings, valkey.url, **environment) as path:
        async with valkey.up():
            path.start_sender("pacer")
            path.start_sender("worker")
            await come_to_pass(path, lambda: world.states() == {"accepted": 20})
        world.add_messages(campaign, world.add_contacts(20, first=20))
        sent = await api.post("/v1/messages", json=template_message(tenant), headers=key())
        assert sent.status_code == 202
        body = delivered(world)
        assert (await api.post(URL, content=body, headers=signed(body))).status_code == 200
        assert await apply_batch(pool) == 1
        # Whoever issues a ticket now is told; the pacer that leads tries again by itself.
        dsn = settings.dsn(DatabaseRole.WORKER)
        away = settings.model_copy(update={"broker_url": valkey.url})
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as session:
            with TicketPublisher(away) as publisher, pytest.raises(BrokerUnavailable):
                await ticks(Pacer(session, publisher), _PATIENCE_SECONDS)
        assert world.states() == {"delivered": 1, "accepted": 19, "queued": 20}
        async with valkey.up():
            await come_to_pass(path, lambda: "queued" not in world.states())
            single = sent.json()["message_id"]
            state = "select state from app.messages where message_id = %s"
            await come_to_pass(path, lambda: world.one(state, single) == "accepted")
    assert world.states() == {"delivered": 1, "accepted": 39}
    assert len(meta.per_recipient()) == 41
    assert max(meta.per_recipient().values()) == 1


@pytest.mark.slow
async def test_redis_is_not_asked_by_the_sender_and_not_needed_by_the_api(
    settings: Settings,
    world: World,
    tenant: Account,
    admin: Admin,
    meta: MetaStub,
    valkey_url: str,
    tmp_path: Path,
) -> None:
    make_template(admin, tenant, category="utility")
    by_sender: list[object] = []
    by_api: list[object] = []

    async def witness(asked: list[object]) -> tuple[asyncio.Server, str]:
        async def refuse(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(writer.get_extra_info("peername"))
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        return server, f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"

    (sender_witness, nobody), (api_witness, gone) = await witness(by_sender), await witness(by_api)
    environment = {"CARTEIRO_META_BASE_URL": meta.url, "CARTEIRO_REDIS_URL": nobody}
    with live_path(tmp_path, settings, valkey_url, **environment) as path:
        for part in ("planner", "pacer", "worker", "applier", "settler", "notifier"):
            path.start_sender(part)
        await asyncio.to_thread(path.start_api, CARTEIRO_REDIS_URL=gone)
        world.add_contacts(10)
        world.add_campaign(status="planning")
        plan = "select status from app.campaigns"
        await come_to_pass(path, lambda: world.one(plan) == "planned")
        world.execute("update app.campaigns set status = 'running', launched_at = now()")
        base = f"http://127.0.0.1:{path.api_port}"
        headers = {"Authorization": f"Bearer {tenant.api_key}"}
        async with httpx.AsyncClient(base_url=base, headers=headers) as client:
            answer = await client.post("/v1/messages", json=template_message(tenant), headers=key())
            assert answer.status_code == 202
            await come_to_pass(path, lambda: world.states() == {"accepted": 10})
            await come_to_pass(path, lambda: len(meta.received) == 11)
            body = delivered(world)
            assert (await client.post(URL, content=body, headers=signed(body))).status_code == 200
        await come_to_pass(path, lambda: world.states() == {"delivered": 1, "accepted": 9})
    # The API asked once for its rate limits, was refused, and counted by itself.
    assert by_sender == []
    assert by_api
    sender_witness.close()
    api_witness.close()


async def test_meta_refusing_connections_counts_no_attempt_and_all_goes_out_afterwards(
    database: Settings,
    world: World,
    pool: Pool,
    meta: MetaStub,
    dispatcher: Dispatcher,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(20))
    ids += world.add_messages(None, world.add_contacts(1, first=20))
    away = database.model_copy(update={"meta_base_url": f"http://127.0.0.1:{free_port()}"})
    async with open_session(max_connections=5, timeout_seconds=1) as session:
        await Dispatcher(away, pool, session, worker="w").handle(ticket_for(ids))
    assert world.states() == {"queued": 21}
    wait = "not_before - now() between interval '0' and interval '5 minutes'"
    assert world.one(f"select count(*) from app.messages where {wait}") == 21
    rest = "select pause_reason, paused_until > now() from app.phone_numbers"
    assert world.one(rest) == ("Meta does not answer", True)
    assert world.one("select max(attempt_no) from app.messages") == 0
    # Before their time nothing is claimed.
    await dispatcher.handle(ticket_for(ids))
    assert meta.received == []
    world.execute("update app.phone_numbers set paused_until = now()")
    world.execute("update app.messages set not_before = now()")
    await dispatcher.handle(ticket_for(ids))
    assert world.states() == {"accepted": 21}
    assert set(meta.per_recipient().values()) == {1}
    assert world.one("select max(attempt_no) from app.messages") == 1


async def test_postgresql_slow_makes_the_api_answer_503_and_no_webhook_is_acknowledged(
    api: httpx.AsyncClient, admin: Admin, tenant: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.webhooks.landing._COMMIT_SECONDS", 0.5)
    monkeypatch.setattr("api.deps.TRANSACTION_SECONDS", 0.5)
    wanted = {"name": "news"}
    with admin.transaction():
        # Whoever writes waits for this, as on a disk that hardly moves.
        admin.execute("lock table raw.webhook_queue, app.lists in access exclusive mode")
        answers = await asyncio.gather(
            api.post(URL, content=b"[1]", headers=signed(b"[1]")),
            api.post("/v1/lists", json=wanted),
            api.get("/v1/lists"),
        )
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert int(answer.headers["Retry-After"]) > 0
    assert (await api.post(URL, content=b"[2]", headers=signed(b"[2]"))).status_code == 200
    assert stored(admin) == [b"[2]"]
    assert (await api.get("/v1/lists")).json()["items"] == []
    assert (await api.post("/v1/lists", json=wanted)).status_code == 201


async def test_postgresql_frozen_and_thawed_needs_no_restart_of_the_api(
    settings: Settings, admin: Admin, tenant: Account
) -> None:
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    async with gate_before(settings.database_url) as (gate, _):
        address = parse_dsn(settings.database_url) | {"port": str(gate.port)}
        behind = settings.model_copy(update={"database_url": write_url(address)})
        async with running(create_app(behind)) as client:

            async def ask() -> tuple[httpx.Response, httpx.Response]:
                return await asyncio.gather(
                    client.get("/v1/lists", headers=headers),
                    client.post(URL, content=b"[1]", headers=signed(b"[1]")),
                )

            assert [answer.status_code for answer in await ask()] == [200, 200]
            gate.freeze()
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answers = await ask()
            assert [answer.status_code for answer in answers] == [503, 503]
            assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
            assert len(stored(admin)) == 1
            gate.thaw()
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while [answer.status_code for answer in await ask()] != [200, 200]:
                    continue
            assert len(stored(admin)) >= 2
