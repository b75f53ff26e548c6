"""What tests of the sender share: the master key, a world, a dispatcher, a stub of Meta."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import pytest

from core.broker.envelopes import Ticket
from core.clock import utc_now
from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import DatabaseRole, Settings, get_settings
from core.store.database import Pool, open_pool
from core.whatsapp.client import open_session
from sender.worker.dispatcher import Dispatcher
from tests.sender.meta_stub import MetaStub, meta_stub
from tests.sender.world import World
from tests.support.settings import SECRET_KEY


@pytest.fixture(autouse=True)
def _master_key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """core.secrets reads the process's settings."""
    monkeypatch.setenv("CARTEIRO_SECRET_KEY", SECRET_KEY)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
async def meta() -> AsyncIterator[MetaStub]:
    async with meta_stub() as stub:
        yield stub


@pytest.fixture
def world(database: Settings) -> World:
    return World(settings=database).build()


@pytest.fixture
async def pool(database: Settings) -> AsyncIterator[Pool]:
    dsn = database.dsn(DatabaseRole.WORKER)
    async with open_pool(dsn, name="test", min_size=1, max_size=4) as opened:
        yield opened


@pytest.fixture
async def dispatcher(database: Settings, pool: Pool, meta: MetaStub) -> AsyncIterator[Dispatcher]:
    settings = database.model_copy(update={"meta_base_url": meta.url, "send_timeout_seconds": 2})
    async with open_session(max_connections=50, timeout_seconds=2) as session:
        yield Dispatcher(settings, pool, session, worker="test-worker")


@pytest.fixture
def ticket_for(world: World) -> Callable[..., Ticket]:
    def make(ids: list[MessageId], *, seconds: float = 10.0) -> Ticket:
        return Ticket(
            ticket_id=new_id(),
            tenant_id=TenantId(world.tenant_id),
            phone_number_id=PhoneNumberId(world.phone_number_id),
            message_ids=tuple(ids),
            issued_at=utc_now(),
            expires_at=utc_now() + timedelta(seconds=seconds),
        )

    return make
