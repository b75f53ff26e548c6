"""A dead worker's claims: what never left goes out again, what was posted is in doubt."""

import resource
import signal
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from core.domain.ids import MessageId, PhoneNumberId, TenantId, new_id
from core.settings import Settings
from core.store import dispatch
from core.store.database import Pool, platform_transaction
from core.store.dispatch import QUARANTINE_AFTER, ClaimedMessage
from sender.settler.settler import settle
from sender.worker import journal
from sender.worker.journal import Mark, PostingJournal, find_estates
from sender.worker.recovery import journal_folder, recover
from tests.sender.world import World

DIES = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from sender.worker.journal import PostingJournal
own = PostingJournal(Path(sys.argv[1]), worker=sys.argv[2], slots=2)
for mark in sys.argv[3:]:
    own.mark(UUID(mark), 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def home(database: Settings, tmp_path: Path) -> Settings:
    return database.model_copy(update={"home": tmp_path})


def die(settings: Settings, worker: str, *posted: UUID) -> None:
    """A process that marks these messages and is killed."""
    arguments = [str(journal_folder(settings)), worker, *(str(one) for one in posted)]
    done = subprocess.run([sys.executable, "-c", DIES, *arguments], check=False)
    assert done.returncode == -9


async def claim(pool: Pool, world: World, ids: list[UUID], worker: str) -> list[ClaimedMessage]:
    async with platform_transaction(pool) as connection:
        return await dispatch.claim_messages(
            connection,
            tenant_id=TenantId(world.tenant_id),
            phone_number_id=PhoneNumberId(world.phone_number_id),
            message_ids=[MessageId(one) for one in ids],
            worker=worker,
            lease_seconds=60,
        )


async def test_what_a_killed_worker_never_posted_is_queued_at_once(
    world: World, pool: Pool, home: Settings
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(4), category="marketing")
    await claim(pool, world, ids, "dead")
    die(home, "dead", ids[1], ids[2], new_id())
    assert await recover(home, pool) == 4
    rows = world.execute("select state, attempt_no from app.messages order by message_id")
    assert rows == [("queued", 0), ("in_doubt", 1), ("in_doubt", 1), ("queued", 0)]
    assert world.events() == {"in_doubt": 2}
    assert await recover(home, pool) == 0
    assert list(journal_folder(home).iterdir()) == []


async def test_a_living_workers_claims_are_left_alone(
    world: World, pool: Pool, home: Settings
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(2))
    await claim(pool, world, ids, "alive")
    with PostingJournal(journal_folder(home), worker="alive", slots=2):
        assert await recover(home, pool) == 0
    assert world.states() == {"sending": 2}


async def test_the_settler_was_faster_and_what_never_left_is_queued_all_the_same(
    world: World, pool: Pool, home: Settings
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(3))
    await claim(pool, world, ids, "dead")
    world.execute("update app.messages set lease_until = now() - interval '1 second'")
    await settle(home, pool)
    assert world.states() == {"in_doubt": 3}
    # One of them is in doubt by its own worker's word: a call that was made and had no answer.
    world.execute(
        "update app.message_attempts set outcome = 'in_doubt' where message_id = %s", ids[2]
    )
    die(home, "dead", ids[0])
    await recover(home, pool)
    rows = world.execute("select state from app.messages order by message_id")
    assert rows == [("in_doubt",), ("queued",), ("in_doubt",)]


async def test_marks_of_another_boot_are_not_believed(
    world: World, pool: Pool, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))
    await claim(pool, world, ids, "dead")
    die(home, "dead")
    monkeypatch.setattr(journal, "boot_id", lambda: b"another")
    assert await recover(home, pool) == 0
    assert world.states() == {"sending": 1}


async def test_the_fifth_worker_in_a_row_to_die_with_a_message_is_the_last(
    world: World, pool: Pool, home: Settings
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))
    for number in range(QUARANTINE_AFTER):
        worker = f"dead-{number}"
        assert len(await claim(pool, world, ids, worker)) == 1
        die(home, worker)
        assert await recover(home, pool) == 1
    assert await claim(pool, world, ids, "w") == []
    assert world.one("select state, reason from app.messages") == ("in_doubt", "quarantined")
    assert world.execute("select kind, subject from app.alerts") == [
        ("message_quarantined", str(ids[0]))
    ]
    assert world.events() == {"in_doubt": 1}
    # Nothing settles it by itself, and its campaign ends without it.
    impatient = home.model_copy(update={"in_doubt_quiet_seconds": 0, "in_doubt_give_up_seconds": 0})
    await settle(impatient, pool)
    assert world.states() == {"in_doubt": 1}
    assert world.one("select finished_at is not null from app.campaigns") is True


async def test_the_fifth_lease_in_a_row_to_end_is_the_last(
    world: World, pool: Pool, home: Settings
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))
    world.execute("update app.messages set lost_claims = %s", QUARANTINE_AFTER - 1)
    await claim(pool, world, ids, "gone")
    world.execute("update app.messages set lease_until = now() - interval '1 second'")
    await settle(home, pool)
    assert world.one("select state, reason from app.messages") == ("in_doubt", "quarantined")
    assert world.one("select count(*) from app.alerts") == 1


def test_a_journal_keeps_marks_until_they_are_released_and_grows(tmp_path: Path) -> None:
    marks: list[Mark] = [(MessageId(new_id()), number) for number in range(1, 9)]
    own = PostingJournal(tmp_path, worker="w", slots=2)
    for message_id, attempt_no in marks:
        own.mark(message_id, attempt_no)
    own.release(marks[:4])
    later: list[Mark] = [(MessageId(new_id()), 1) for _ in range(4)]
    for message_id, attempt_no in later:
        own.mark(message_id, attempt_no)
    assert list(find_estates(tmp_path)) == []
    own.close()
    (estate,) = find_estates(tmp_path)
    assert estate.worker == "w"
    assert set(estate.marks) == {*marks[4:], *later}


def test_a_full_disk_is_an_error_before_anything_is_posted(tmp_path: Path) -> None:
    """Written to a page that the disk cannot hold, a mark would kill the worker."""
    own = PostingJournal(tmp_path, worker="w", slots=1)
    own.mark(MessageId(new_id()), 1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (own.path.stat().st_size, hard))
    try:
        with pytest.raises(OSError, match=r"large|space"):
            own.mark(MessageId(new_id()), 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    own.mark(MessageId(new_id()), 1)
    own.close()
    (estate,) = find_estates(tmp_path)
    assert len(estate.marks) == 2


async def test_the_death_that_the_settler_counted_is_not_counted_again(
    world: World, pool: Pool, home: Settings
) -> None:
    ids = world.add_messages(world.add_campaign(), world.add_contacts(1))
    await claim(pool, world, ids, "gone")
    die(home, "gone")
    world.execute("update app.messages set lease_until = now() - interval '1 second'")
    await settle(home, pool)
    assert await recover(home, pool) == 1
    assert world.one("select state, lost_claims from app.messages") == ("queued", 1)
