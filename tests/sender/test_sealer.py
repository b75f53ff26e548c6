"""The sealer puts entries into chains; nobody can take them out or change them unseen."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from core.clock import utc_now
from core.domain.audit import PLATFORM, START, ChainCheck, Flaw, Head
from core.domain.ids import TenantId, new_id
from core.metrics import AUDIT_ENTRIES_SEALED, AUDIT_UNSEALED_SECONDS
from core.settings import DatabaseRole, Settings
from core.store import audit
from core.store.database import Pool, open_pool, platform_transaction
from sender.settler.sealer import SealRounds

Admin = psycopg.Connection[tuple[object, ...]]
OURS, THEIRS = TenantId(new_id()), TenantId(new_id())


@pytest.fixture
def admin(each_database: Settings) -> Iterator[Admin]:
    with psycopg.connect(each_database.database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def pool(each_database: Settings) -> AsyncIterator[Pool]:
    async with open_pool(each_database.dsn(DatabaseRole.WORKER), name="sealer") as opened:
        yield opened


@pytest.fixture
def operator(each_database: Settings) -> Iterator[audit.OperatorConnection]:
    dsn = each_database.dsn(DatabaseRole.OPERATOR)
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


def write(operator: audit.OperatorConnection, count: int, tenant_id: TenantId = OURS) -> None:
    for number in range(count):
        entry = audit.operator_entry(
            "ana", "tenant.set", target=("tenant", str(number)), tenant_id=tenant_id
        )
        audit.record(operator, entry)


def flaws(
    operator: audit.OperatorConnection, tenant_id: TenantId = OURS, copy: Head | None = None
) -> list[Flaw]:
    [chain] = audit.list_chains(operator, tenant_id=tenant_id)
    check = ChainCheck(chain.start, copy=copy)
    found = [flaw for one in audit.read_chain(operator, tenant_id) for flaw in check.read(*one)]
    return [one.flaw for one in found + check.finish(chain.head or START)]


def head(operator: audit.OperatorConnection, tenant_id: TenantId = OURS) -> Head:
    [chain] = audit.list_chains(operator, tenant_id=tenant_id)
    assert chain.head is not None
    return chain.head


async def test_each_tenant_has_a_chain_of_its_own(
    pool: Pool, operator: audit.OperatorConnection
) -> None:
    for tenant_id in (OURS, THEIRS, OURS, PLATFORM):
        write(operator, 3, tenant_id)
    assert await SealRounds(pool).seal() == 12
    assert await SealRounds(pool).seal() == 0
    write(operator, 2)
    assert await SealRounds(pool).seal() == 2
    places = [link.sequence for _, link in audit.read_chain(operator, OURS)]
    assert places == list(range(1, 9))
    assert head(operator).sequence == 8
    assert head(operator, THEIRS).sequence == head(operator, PLATFORM).sequence == 3
    assert [flaws(operator, tenant) for tenant in (OURS, THEIRS, PLATFORM)] == [[], [], []]


async def test_many_sealers_make_one_chain_while_entries_arrive(
    pool: Pool, operator: audit.OperatorConnection, each_database: Settings
) -> None:
    rounds = [SealRounds(pool) for _ in range(3)]

    async def seal(one: SealRounds) -> int:
        total = 0
        for _ in range(20):
            total += await one.seal()
        return total

    writing = asyncio.create_task(asyncio.to_thread(write, operator, 200))
    counts = await asyncio.gather(*(seal(one) for one in rounds))
    await writing
    rest = await rounds[0].seal()
    assert sum(counts) + rest == 200
    assert flaws(operator) == []
    assert head(operator).sequence == 200


async def test_an_entry_that_commits_late_is_sealed_behind_those_that_were_faster(
    pool: Pool, operator: audit.OperatorConnection, each_database: Settings
) -> None:
    dsn = each_database.dsn(DatabaseRole.OPERATOR)
    with psycopg.connect(dsn) as slow:
        write(slow, 1)
        write(operator, 2)
        assert await SealRounds(pool).seal() == 2
    assert await SealRounds(pool).seal() == 1
    assert flaws(operator) == []
    entries = [entry.at for entry, _ in audit.read_chain(operator, OURS)]
    assert entries[2] < entries[0] < entries[1]


async def test_what_waits_too_long_is_told_and_counted(
    pool: Pool, admin: Admin, operator: audit.OperatorConnection, each_database: Settings
) -> None:
    before = AUDIT_ENTRIES_SEALED._value.get()
    write(operator, 1)
    rounds = SealRounds(pool)
    with psycopg.connect(each_database.database_url) as other:
        # Another process leads and does not get on.
        other.execute("select pg_advisory_xact_lock(hashtext('carteiro.audit_sealer'))")
        admin.execute("set session_replication_role = replica")
        admin.execute("update app.audit_entries set at = now() - interval '90 s'")
        assert await rounds.once() > 0
        assert AUDIT_UNSEALED_SECONDS._value.get() > 60
        assert AUDIT_ENTRIES_SEALED._value.get() == before
    await rounds.once()
    assert AUDIT_UNSEALED_SECONDS._value.get() == 0
    assert AUDIT_ENTRIES_SEALED._value.get() == before + 1


def _plant(admin: Admin, statement: str) -> None:
    """What a person with the superuser's password may do."""
    admin.execute("set session_replication_role = replica")
    admin.execute(statement.encode())
    admin.execute("set session_replication_role = origin")


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("update app.audit_entries set actor = 'operator:bia' where sequence = 4", Flaw.CHANGED),
        ("update app.audit_entries set at = at + interval '1 us' where sequence = 4", Flaw.CHANGED),
        ("update app.audit_entries set details = '{\"a\": 1}' where sequence = 4", Flaw.CHANGED),
        ("delete from app.audit_entries where sequence = 4", Flaw.MISSING),
        ("delete from app.audit_entries where sequence = 1", Flaw.MISSING),
        ("delete from app.audit_entries where sequence > 8", Flaw.TRUNCATED),
        ("delete from app.audit_entries", Flaw.TRUNCATED),
        (
            "update app.audit_entries set sequence = 9 - sequence where sequence in (4, 5)",
            Flaw.CHANGED,
        ),
        (
            "insert into app.audit_entries (tenant_id, actor, actor_kind, operation, target_kind,"
            " target_id, sequence, previous_hash, entry_hash) select tenant_id, actor, actor_kind,"
            " 'tenant.create', target_kind, target_id, sequence, previous_hash, entry_hash"
            " from app.audit_entries where sequence = 4",
            Flaw.DOUBLED,
        ),
        (
            "update app.audit_heads set entry_hash = decode(repeat('07', 32), 'hex')",
            Flaw.HEAD_DIFFERS,
        ),
        ("delete from app.audit_heads", Flaw.HEAD_DIFFERS),
    ],
)
async def test_what_a_superuser_does_to_a_chain_is_found(
    pool: Pool, admin: Admin, operator: audit.OperatorConnection, statement: str, flaw: Flaw
) -> None:
    write(operator, 10)
    await SealRounds(pool).seal()
    assert flaws(operator) == []
    _plant(admin, statement)
    assert flaw in flaws(operator)


async def test_a_tail_that_was_cut_off_with_its_head_shows_against_a_copy(
    pool: Pool, admin: Admin, operator: audit.OperatorConnection
) -> None:
    write(operator, 10)
    await SealRounds(pool).seal()
    kept = head(operator)
    _plant(admin, "delete from app.audit_entries where sequence > 8")
    _plant(
        admin,
        "update app.audit_heads as h set sequence = 8, entry_hash = e.entry_hash"
        " from app.audit_entries as e where e.sequence = 8",
    )
    assert flaws(operator) == []
    assert flaws(operator, copy=kept) == [Flaw.TRUNCATED]
    write(operator, 2)
    await SealRounds(pool).seal()
    assert flaws(operator) == []
    assert flaws(operator, copy=kept) == [Flaw.HEAD_DIFFERS]


async def test_an_entry_put_in_with_a_date_of_long_ago_is_found(
    pool: Pool, admin: Admin, operator: audit.OperatorConnection
) -> None:
    write(operator, 3)
    await SealRounds(pool).seal()
    _plant(
        admin,
        "insert into app.audit_entries (tenant_id, at, actor, actor_kind, operation, target_kind,"
        " target_id) select tenant_id, at - interval '1 hour', actor, actor_kind, operation,"
        " target_kind, target_id from app.audit_entries where sequence = 1",
    )
    await SealRounds(pool).seal()
    assert flaws(operator) == [Flaw.BACKDATED]


CHANGES = (
    "update app.audit_entries set actor = 'x'",
    "update app.audit_entries set sequence = null, previous_hash = null, entry_hash = null",
    "update app.audit_entries set sequence = 7",
    "delete from app.audit_entries",
    "truncate app.audit_entries",
    "truncate app.audit_entries_default",
    "delete from app.audit_heads",
    "update app.audit_heads set sequence = 1",
    "truncate app.audit_heads",
)
OWNERS_ONLY = (
    "alter table app.audit_entries disable trigger only_added",
    "select ops.keep_audit_partitions(now() + interval '99 years', 1, 59)",
)


@pytest.mark.parametrize("role", ["app", "worker", "data", "operator", "readonly", "superuser"])
async def test_nobody_changes_what_is_sealed(
    pool: Pool, each_database: Settings, operator: audit.OperatorConnection, role: str
) -> None:
    write(operator, 3)
    await SealRounds(pool).seal()
    if role == "superuser":
        dsn, statements = each_database.database_url, list(CHANGES)
    else:
        dsn, statements = each_database.dsn(DatabaseRole(role)), [*CHANGES, *OWNERS_ONLY]
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            with pytest.raises(psycopg.Error) as refused:
                connection.execute(statement.encode())
            assert refused.value.sqlstate in {"42501", "23001"}, statement
    assert flaws(operator) == []


@pytest.mark.parametrize("column", ["entry_id", "at", "sequence", "previous_hash", "entry_hash"])
def test_who_writes_an_entry_cannot_say_when_or_where(each_database: Settings, column: str) -> None:
    for role in (DatabaseRole.APP, DatabaseRole.OPERATOR, DatabaseRole.WORKER):
        with (
            psycopg.connect(each_database.dsn(role)) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(
                sql.SQL("insert into app.audit_entries ({}) values (default)").format(
                    sql.Identifier(column)
                )
            )


async def test_five_years_later_a_month_is_dropped_and_the_chain_goes_on(
    pool: Pool, admin: Admin, operator: audit.OperatorConnection
) -> None:
    long_ago = utc_now() - timedelta(days=62 * 31)
    admin.execute("select ops.keep_audit_partitions(%s, 1, 60)", (long_ago,))
    _plant(
        admin,
        "insert into app.audit_entries (tenant_id, entry_id, at, actor, actor_kind, operation,"
        f" target_kind, target_id) select '{OURS}', app.new_uuid7(t), t, 'operator:ana',"
        f" 'operator', 'x', 'x', n::text from (select n, '{long_ago.isoformat()}'::timestamptz"
        " + n * interval '1 s' as t from generate_series(1, 4) as n) as old",
    )
    async with platform_transaction(pool) as connection:
        await audit.keep_partitions(connection)
    assert len(list(audit.read_chain(operator, OURS))) == 0
    assert admin.execute("select count(*) from app.audit_entries").fetchone() == (4,)
    await SealRounds(pool).seal()
    write(operator, 3)
    await SealRounds(pool).seal()
    async with platform_transaction(pool) as connection:
        await audit.keep_partitions(connection)
    assert [link.sequence for _, link in audit.read_chain(operator, OURS)] == [5, 6, 7]
    assert flaws(operator) == []
    _plant(admin, "delete from app.audit_entries where sequence = 5")
    assert flaws(operator) == [Flaw.MISSING]


async def test_what_an_older_release_writes_reaches_the_chain(
    pool: Pool, operator: audit.OperatorConnection
) -> None:
    operator.execute(
        "insert into ops.audit_entries (actor, action, subject, detail) values"
        " ('ana', 'tenant.rules_set', %s, '{\"four_eyes\": true}'),"
        " ('ana', 'dlq.redrive', 'webhook:1', '{}')",
        (str(OURS),),
    )
    assert await SealRounds(pool).seal() == 2
    [(entry, _)] = audit.read_chain(operator, OURS)
    assert (entry.actor, entry.operation) == ("operator:ana", "tenant.rules_set")
    assert entry.details == {"four_eyes": True}
    [(entry, _)] = audit.read_chain(operator, PLATFORM)
    assert entry.target_id == "webhook:1"


def test_partitions_are_ready_a_month_ahead(admin: Admin) -> None:
    named = admin.execute(
        "select to_char(now() + n * interval '1 month', '\"audit_entries_\"YYYYMM')"
        " from generate_series(-1, 1) as n"
    ).fetchall()
    for (name,) in named:
        assert admin.execute("select to_regclass(%s)", (f"app.{name}",)).fetchone() != (None,)
    assert isinstance(PLATFORM, UUID)
