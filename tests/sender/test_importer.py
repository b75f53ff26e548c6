"""Imports worked off in batches: whoever is killed when, every row is taken exactly once."""

import asyncio
import io
import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from core.contact_files.batches import fold
from core.domain.ids import new_id
from core.settings import DatabaseRole, Settings
from core.store import imports
from core.store.database import Pool, open_pool
from sender.importer import importer
from sender.importer.importer import import_next
from tests.chaos.live_path import live_path
from tests.sender.world import World

_CHUNK = 1024 * 1024


class _Killed(BaseException):
    """What a SIGKILL is to the statements that come after it: nothing handles it."""


def upload(world: World, content: bytes, *, dry_run: bool = False, **options: Any) -> UUID:
    """An import as the API leaves it."""
    import_id, of_tenant = new_id(), world.tenant_id
    world.execute(
        "insert into app.imports (tenant_id, import_id, list_id, status, dry_run, options,"
        " file_bytes) values (%s, %s, %s, 'queued', %s, %s, %s)",
        of_tenant,
        import_id,
        None if dry_run else world.list_id,
        dry_run,
        Jsonb({"region": "BR", **options}),
        len(content),
    )
    for chunk_no, start in enumerate(range(0, len(content), _CHUNK)):
        world.execute(
            "insert into app.import_chunks values (%s, %s, %s, %s)",
            of_tenant,
            import_id,
            chunk_no,
            content[start : start + _CHUNK],
        )
    return import_id


def forget(world: World) -> None:
    """Take the people of the world away, so that the next import meets none."""
    for table in (
        "import_errors",
        "import_people",
        "import_chunks",
        "imports",
        "list_members",
        "consent_states",
        "consents",
        "contact_identities",
        "contacts",
    ):
        world.execute(f"delete from app.{table} where tenant_id = %s", world.tenant_id)


def outcome(world: World, import_id: UUID) -> dict[str, Any]:
    """All that an import leaves behind, without ids and instants."""
    return {
        "people": world.execute(
            "select c.address, c.name, c.language, c.attributes, s.granted,"
            " (select count(*) from app.list_members as m where m.contact_id = c.contact_id),"
            " (select array_agg(l.action order by l.consent_id) from app.consents as l"
            "  where l.contact_id = c.contact_id)"
            " from app.contacts as c"
            " left join app.consent_states as s using (tenant_id, contact_id)"
            " where c.tenant_id = %s order by c.address",
            world.tenant_id,
        ),
        "counts": world.execute(
            "select status, rows_read, rows_created, rows_updated, rows_unchanged, rows_merged,"
            " rows_refused, refused_by_reason, failure from app.imports where import_id = %s",
            import_id,
        ),
        "rows": world.execute(
            "select row_number, outcome, column_name, code from app.import_errors"
            " where import_id = %s order by row_number, code",
            import_id,
        ),
        "left": world.one(
            "select (select count(*) from app.import_chunks)"
            " + (select count(*) from app.import_people)"
        ),
    }


def dirty_file(rows: int, seed: int) -> bytes:
    """Repeated people in both Brazilian forms, opt-outs, broken rows, rows of several lines."""
    chance = random.Random(seed)
    lines = ["phone,name,store,opted_out,consent"]
    for row in range(rows):
        digits = f"{9 if chance.random() < 0.8 else ''}8{chance.randrange(20):03d}1234"
        kind = chance.random()
        if kind < 0.1:
            lines.append("call me,,,,")
        elif kind < 0.2:
            lines.append(f'+5511{digits},"Ana {row},,,')
        elif kind < 0.3:
            lines.append(f'+5511{digits},"Ana\n{row}",,,')
        elif kind < 0.4:
            lines.append("")
        else:
            said = chance.choice([",", "yes,", ",yes", ",yes"])
            lines.append(f"+55 11 {digits},Ana {row},Loja {row % 3},{said}")
    return "\n".join(lines).encode()


CLAIM: dict[str, Any] = {"claim": {"channel": "form", "text_version": "v1"}}


async def run_all(pool: Pool, batch_rows: int) -> None:
    while await import_next(pool, batch_rows=batch_rows):
        pass


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(0, 60),
    batch_rows=st.integers(1, 40),
    kills=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["advance", "add_seen", "end"]))),
)
def test_a_planner_killed_at_any_batch_leaves_the_same_people(
    world: World, seed: int, rows: int, batch_rows: int, kills: list[tuple[int, str]]
) -> None:
    content = dirty_file(rows, seed)

    async def clean(batch_rows: int) -> dict[str, Any]:
        forget(world)
        import_id = upload(world, content, **CLAIM)
        async with worker_pool(world) as pool:
            await run_all(pool, batch_rows)
        return outcome(world, import_id)

    async def killed() -> dict[str, Any]:
        forget(world)
        import_id = upload(world, content, **CLAIM)
        async with worker_pool(world) as pool:
            for after, step in kills:
                with pytest.MonkeyPatch.context() as patch:
                    die_at(patch, step, after)
                    try:
                        await run_all(pool, batch_rows)
                    except _Killed:
                        continue
            await run_all(pool, batch_rows)
        return outcome(world, import_id)

    expected = asyncio.run(clean(batch_rows))
    assert expected["counts"][0][0] == "finished"
    assert expected["left"] == 0
    assert asyncio.run(killed()) == expected
    # The size of the batches shows in the ledger alone: who agrees in one and withdraws in another
    # has two entries.
    whole = asyncio.run(clean(10_000))
    assert [row[:6] for row in whole["people"]] == [row[:6] for row in expected["people"]]


def worker_pool(world: World) -> Any:
    return open_pool(world.settings.dsn(DatabaseRole.WORKER), name="test", max_size=2)


def die_at(patch: pytest.MonkeyPatch, step: str, after: int) -> None:
    """Die right after a step was done for the n-th time, before its commit."""
    done, count = getattr(imports, step), 0

    async def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        result = await done(*arguments, **named)
        count += 1
        if count > after:
            raise _Killed
        return result

    patch.setattr(imports, step, dying)


async def test_sigkills_of_real_planners_lose_and_double_no_row(
    world: World, database: Settings, valkey_url: str, tmp_path: Path
) -> None:
    rows = 12_000
    content = "phone,name\n" + "".join(
        f"+55119{70_000_000 + row % (rows - 500):08d},Ana {row}\n" for row in range(rows)
    )
    import_id = upload(world, content.encode())
    settings = database.model_copy(update={"broker_url": valkey_url})
    seen: set[int] = set()
    with live_path(tmp_path, settings, valkey_url) as path:
        for _ in range(4):
            before = rows_read(world, import_id)
            path.start_sender("planner")
            path.wait_for(lambda at=before: rows_read(world, import_id) > at, 30)  # type: ignore[misc]
            path.kill("planner")
            seen.add(rows_read(world, import_id))
            if rows_read(world, import_id) == rows:
                break
        path.start_sender("planner")
        path.wait_for(lambda: status(world, import_id) == "finished", 60)
    assert len(seen) > 1, "no kill fell between two batches"
    counts = outcome(world, import_id)["counts"]
    assert counts == [("finished", rows, rows - 500, 0, 0, 500, 0, {}, None)]
    assert world.one("select count(*), count(distinct address) from app.contacts") == (
        rows - 500,
        rows - 500,
    )


def rows_read(world: World, import_id: UUID) -> int:
    return int(world.one("select rows_read from app.imports where import_id = %s", import_id))


def status(world: World, import_id: UUID) -> str:
    return str(world.one("select status from app.imports where import_id = %s", import_id))


async def test_a_dry_run_counts_what_the_import_then_does(world: World, pool: Pool) -> None:
    content = dirty_file(80, 3)
    dry = upload(world, content, dry_run=True, **CLAIM)
    await run_all(pool, 7)
    tried = outcome(world, dry)
    assert tried["people"] == []
    assert world.one("select count(*) from app.consents") == 0
    real = upload(world, content, **CLAIM)
    await run_all(pool, 7)
    done = outcome(world, real)
    assert done["people"]
    assert tried["counts"] == done["counts"]

    def without_warnings(rows: list[Any]) -> list[Any]:
        return [row for row in rows if row[1] != "warning"]

    # That an earlier batch of the same file withdrew, only the import can know.
    assert without_warnings(tried["rows"]) == without_warnings(done["rows"])


async def test_a_batch_that_always_fails_ends_its_import_and_no_other(
    world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = upload(world, b"phone\n+5511987654321\n")
    good = upload(world, b"phone\n+5511987654322\n")

    def failing(rows: Any, seen: Any) -> Any:
        if any(row.person.phone.e164.endswith("1") for row in rows):
            raise RuntimeError("a bug")
        return fold(rows, seen)

    monkeypatch.setattr(importer, "fold", failing)
    await run_all(pool, 100)
    assert (status(world, bad), status(world, good)) == ("failed", "finished")
    assert outcome(world, bad)["left"] == 0


async def test_imports_take_turns(
    world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "_TURN_SECONDS", 0.0)
    people = "".join(f"+55119{70_000_000 + row:08d}\n" for row in range(50))
    large = upload(world, f"phone\n{people}".encode())
    small = upload(world, b"phone\n+5511987654321\n")
    for _ in range(4):
        await import_next(pool, batch_rows=5)
    assert (status(world, large), status(world, small)) == ("running", "finished")


def test_an_import_of_the_release_before_is_left_alone(world: World) -> None:
    """That release takes a file in the request itself, and writes no file_bytes."""
    world.execute(
        "insert into app.imports (tenant_id, import_id, list_id) values (%s, %s, %s)",
        world.tenant_id,
        new_id(),
        world.list_id,
    )

    async def look() -> bool:
        async with worker_pool(world) as pool:
            return await import_next(pool)

    assert asyncio.run(look()) is False


def workbook(rows: Sequence[Sequence[object]]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("people")
    for row in rows:
        sheet.append(row)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


async def test_a_workbook_is_read_as_its_rows_are_numbered(world: World, pool: Pool) -> None:
    content = workbook(
        [
            ["phone", "name", "born", "points", "opted_out"],
            [5511987654321, 'Ana, "A"', date(1990, 5, 17), 12.5, None],
            [],
            ["call me", "x", None, None, None],
            ["+55 11 98765-4322", "Bia\nB", None, 7.0, True],
        ]
    )
    import_id = upload(world, content, form="xlsx")
    await run_all(pool, 2)
    done = outcome(world, import_id)
    assert done["counts"][0][:4] == ("finished", 3, 2, 0)
    assert done["rows"] == [(4, "refused", "phone", "phone_letters")]
    assert [row[:5] for row in done["people"]] == [
        ("+5511987654321", 'Ana, "A"', None, {"born": "1990-05-17", "points": "12.5"}, None),
        ("+5511987654322", "Bia B", None, {"points": "7"}, False),
    ]


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kills=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["replace_file", "advance"])), max_size=3
    )
)
def test_a_planner_killed_over_a_workbook_leaves_the_same_people(
    world: World, kills: list[tuple[int, str]]
) -> None:
    rows = [["phone", "name"]]
    rows += [[f"+55119{70_000_000 + row % 25:08d}", f"Ana {row}"] for row in range(40)]

    async def run() -> None:
        forget(world)
        import_id = upload(world, workbook(rows), form="xlsx")
        async with worker_pool(world) as pool:
            for after, step in kills:
                with pytest.MonkeyPatch.context() as patch:
                    die_at(patch, step, after)
                    try:
                        await run_all(pool, 7)
                    except _Killed:
                        continue
            await run_all(pool, 7)
        done = outcome(world, import_id)
        assert done["counts"] == [("finished", 40, 25, 0, 0, 15, 0, {}, None)]
        assert done["left"] == 0

    asyncio.run(run())


async def test_a_workbook_without_phones_ends_in_words(world: World, pool: Pool) -> None:
    for rows in ([["name"], ["Ana"]], [["phone", "consent"], ["+5511987654321", "yes"]], []):
        import_id = upload(world, workbook(rows), form="xlsx")
        await run_all(pool, 100)
        assert status(world, import_id) == "failed"
        assert world.one("select failure from app.imports where import_id = %s", import_id)
    assert world.one("select count(*) from app.contacts") == 0
    assert world.one("select count(*) from app.import_chunks") == 0
