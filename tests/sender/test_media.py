"""A file in a header is uploaded once a number, reused for its life, and never sent half-named."""

import asyncio
from collections.abc import Callable
from uuid import UUID

import psycopg
import pytest
from aiohttp import web
from psycopg.types.json import Jsonb

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, new_id
from core.settings import Settings
from core.store import media
from core.store.database import Pool
from core.whatsapp.client import open_session
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub
from tests.sender.world import World

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture
def file_id(world: World) -> UUID:
    media_file_id = new_id()
    world.execute(
        "insert into app.media_files (tenant_id, media_file_id, kind, mime_type, file_name, bytes,"
        " sha256, created_by)"
        " values (%s, %s, 'image', 'image/png', 'a.png', 208, sha256('a'), 'x')",
        world.tenant_id,
        media_file_id,
    )
    for number, piece in enumerate((PNG[:100], PNG[100:])):
        world.execute(
            "insert into app.media_chunks values (%s, %s, %s, %s)",
            world.tenant_id,
            media_file_id,
            number,
            piece,
        )
    return media_file_id


def with_header(world: World, file_id: UUID, count: int) -> list[MessageId]:
    ids = world.add_messages(None, world.add_contacts(count))
    header = {
        "type": "header",
        "parameters": [{"type": "image", "image": {"id": f"media:{file_id}"}}],
    }
    template = {"name": "pedido", "language": {"code": "pt_BR"}, "components": [header]}
    world.execute(
        "update app.messages set content = %s", Jsonb({"type": "template", "template": template})
    )
    return [MessageId(item) for item in ids]


def headers(meta: MetaStub) -> set[str]:
    return {
        payload["template"]["components"][0]["parameters"][0]["image"]["id"]
        for payload in meta.received
    }


async def test_tickets_at_once_upload_the_file_once_and_all_name_meta_s_id(
    world: World,
    file_id: UUID,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = with_header(world, file_id, 30)
    tickets = [ticket_for(ids[start : start + 10]) for start in (0, 10, 20)]
    await asyncio.gather(*(dispatcher.handle(ticket) for ticket in tickets))
    assert meta.uploads == [("image/png", PNG)]
    assert (len(meta.received), headers(meta)) == (30, {"771"})
    assert world.states() == {"accepted": 30}


async def test_another_worker_reuses_the_id_until_a_day_before_it_ends(
    world: World,
    file_id: UUID,
    database: Settings,
    pool: Pool,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = with_header(world, file_id, 3)
    settings = database.model_copy(update={"meta_base_url": meta.url})
    for number, left in enumerate(("30 days", "25 hours", "23 hours")):
        async with open_session(max_connections=5, timeout_seconds=5) as session:
            worker = Dispatcher(settings, pool, session, worker=f"worker-{number}")
            await worker.handle(ticket_for([ids[number]]))
        world.execute(
            "update app.media_uploads set expires_at = now() + %s::interval",
            ("25 hours", "23 hours", left)[number],
        )
    assert len(meta.uploads) == 2
    assert headers(meta) == {"771", "772"}


async def test_while_another_worker_uploads_nothing_leaves_and_nothing_counts_as_a_try(
    world: World,
    file_id: UUID,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = with_header(world, file_id, 2)
    world.execute(
        "insert into app.media_uploads (tenant_id, media_file_id, phone_number_id, claimed_until)"
        " values (%s, %s, %s, now() + interval '1 minute')",
        world.tenant_id,
        file_id,
        world.phone_number_id,
    )
    await dispatcher.handle(ticket_for(ids))
    assert (meta.uploads, meta.received) == ([], [])
    assert world.states() == {"queued": 2}
    assert world.one("select bool_and(not_before > now()) from app.messages")


async def test_a_file_meta_refuses_fails_its_messages_with_meta_s_code(
    world: World,
    file_id: UUID,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = with_header(world, file_id, 2)
    refuse = MetaStub.refuse(131053)

    async def upload() -> web.StreamResponse:
        return await refuse({})

    meta.upload = upload
    await dispatcher.handle(ticket_for(ids))
    assert meta.received == []
    assert world.execute("select distinct state, error_code from app.messages") == [
        ("failed", 131053)
    ]


async def test_a_server_error_of_the_upload_leaves_no_message_in_doubt(
    world: World,
    file_id: UUID,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = with_header(world, file_id, 2)

    async def upload() -> web.StreamResponse:
        return web.Response(status=502, text="<html>")

    meta.upload = upload
    await dispatcher.handle(ticket_for(ids))
    assert (meta.received, world.states()) == ([], {"queued": 2})
    assert world.one("select claimed_until > now() from app.media_uploads")


async def test_a_database_that_goes_away_after_the_claim_leaves_no_message_in_doubt(
    world: World,
    file_id: UUID,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = with_header(world, file_id, 2)

    async def away(*_: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(media, "find_upload", away)
    await dispatcher.handle(ticket_for(ids))
    assert (meta.received, world.states()) == ([], {"queued": 2})


async def test_a_deleted_file_fails_its_messages_and_their_neighbours_go(
    world: World,
    file_id: UUID,
    dispatcher: Dispatcher,
    meta: MetaStub,
    ticket_for: Callable[..., Ticket],
) -> None:
    ids = with_header(world, file_id, 1)
    others = [MessageId(item) for item in world.add_messages(None, world.add_contacts(1, first=50))]
    world.execute("update app.media_files set deleted_at = %s", utc_now())
    await dispatcher.handle(ticket_for([*ids, *others]))
    assert world.states() == {"failed": 1, "accepted": 1}
