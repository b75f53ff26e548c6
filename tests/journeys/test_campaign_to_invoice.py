"""The whole way, faults on: campaign, delivery, usage, invoice, reconciliation, export.

Once on the embedded servers and once on RabbitMQ, PostgreSQL and Redis. What came out is judged by
the sandbox's own ledger and by an oracle that shares no code with the rating.
"""

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from carteiro.demo.chapters import CAMPAIGN_DONE, Cast, states
from carteiro.demo.client import Json
from carteiro.demo.stage import people_of_this_run
from carteiro.demo.story import Ending, tell
from carteiro.demo.world import sandbox_world
from carteiro.home import Home
from carteiro.stack import Stack, purge
from tests.support.databases import DatabaseServer

ROWS = 600
#: Meta's list price of a delivered marketing message, INR card of 2025-10-01.
INR_MARKETING = {"IN": Decimal("0.7846"), "DE": Decimal("10.0073")}


@pytest.fixture(params=["embedded", "real"])
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment that names the servers: none, or the three real ones."""
    if request.param == "embedded":
        yield {}
    else:
        server: DatabaseServer = request.getfixturevalue("local_server")
        with server.empty_database() as settings:
            yield {
                "CARTEIRO_DATABASE_URL": settings.database_url,
                "CARTEIRO_BROKER_URL": request.getfixturevalue("_rabbitmq"),
                "CARTEIRO_REDIS_URL": request.getfixturevalue("_redis"),
            }


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A state folder, deleted afterwards with the database that root keeps elsewhere."""
    folder = Home(tmp_path / "home")
    yield folder
    purge(folder)


def tell_story(home: Home, servers: dict[str, str]) -> Ending:
    # Slow enough that a worker can be killed on the way.
    people = tuple(
        replace(tenant, throughput_per_second=80)
        for tenant in people_of_this_run(own_servers=bool(servers))
    )
    world = sandbox_world(people, seed=11, today=datetime.now(UTC).date())
    environment = {
        **os.environ,
        **servers,
        "CARTEIRO_IN_DOUBT_QUIET_SECONDS": "10",
        "CARTEIRO_LEASE_SECONDS": "10",
        "CARTEIRO_SEND_TIMEOUT_SECONDS": "8",
    }
    with Stack(
        home, workers=2, dagster=False, sandbox_world=world, environment=environment
    ) as stack:
        quiet = Console(file=io.StringIO(), force_terminal=False)
        return asyncio.run(tell(stack, people, quiet, rows=ROWS, seed=11))


def delivered(cast: Cast) -> int:
    counts = states(cast.stats)
    return counts["delivered"] + counts["read"]


def invoice_of(ending: Ending, cast: Cast) -> Json:
    found = [one for one in ending.invoices if one["currency"] == cast.tenant.currency]
    assert len(found) == 1
    return found[0]


def lines_of(invoice: Json, kind: str) -> list[Json]:
    lines = invoice["lines"]
    assert isinstance(lines, list)
    return [line for line in lines if line["kind"] == kind]


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_every_message_is_sent_once_counted_once_and_billed_once(
    servers: dict[str, str], home: Home
) -> None:
    ending = tell_story(home, servers)

    assert ending.crash is not None
    assert ending.crash.process_ids
    assert ending.verdict.sandbox_doubled == 0
    assert ending.verdict.our_accepted == ending.verdict.sandbox_messages > ROWS
    for cast in ending.casts:
        assert cast.stats["status"] in CAMPAIGN_DONE
        assert sum(states(cast.stats).values()) == cast.stats["conservation"]["planned"]
        assert_import_adds_up(cast)
        assert_invoice_counts_what_was_delivered(ending, cast)
        assert_reconciliation_agrees(ending, cast)
    assert_cost_plus_equals_the_oracle(ending)
    assert_exports_are_what_they_claim(ending, home.path)


def assert_import_adds_up(cast: Cast) -> None:
    found = cast.imported
    assert found["rows_read"] == ROWS
    assert (
        found["rows_created"]
        + found["rows_updated"]
        + found["rows_unchanged"]
        + found["rows_merged"]
        + found["rows_refused"]
    ) == ROWS
    assert cast.error_file is not None
    reported = cast.error_file.read_text("utf-8").strip().splitlines()[1:]
    assert len(reported) >= found["rows_refused"] + found["rows_merged"] > 0


def assert_invoice_counts_what_was_delivered(ending: Ending, cast: Cast) -> None:
    invoice = invoice_of(ending, cast)
    assert invoice["status"] == "draft", invoice["parked_reasons"]
    usage = lines_of(invoice, "usage")
    billed = sum(Decimal(line["quantity"]) for line in usage)
    free = sum(Decimal(str(line["explanation"]["free"])) for line in usage)
    assert billed + free == delivered(cast)
    lines = invoice["lines"]
    assert sum(Decimal(line["net"]) for line in lines) == Decimal(invoice["net"])
    assert sum(Decimal(line["tax"]) for line in lines) == Decimal(invoice["tax"])
    assert Decimal(invoice["net"]) + Decimal(invoice["tax"]) == Decimal(invoice["total"])


def assert_reconciliation_agrees(ending: Ending, cast: Cast) -> None:
    rows = [row for row in ending.reconciliation if row["account"] == cast.tenant.name]
    assert sum(row["our_volume"] for row in rows) == delivered(cast)
    for row in rows:
        assert row["our_volume"] == row["meta_volume"]
        # The BRL card has no rate for Germany: unknown on our side, never a guess.
        assert row["break_type"] in {"agrees", "cost_unknown_here", "cost_withheld"}
        if row["break_type"] != "agrees":
            assert (row["currency"], row["country"]) == ("BRL", "DE")


def assert_cost_plus_equals_the_oracle(ending: Ending) -> None:
    """Meta's price of what the sandbox says was delivered, plus the percentage, rounded once."""
    cast = next(cast for cast in ending.casts if cast.tenant.currency == "INR")
    (line,) = lines_of(invoice_of(ending, cast), "usage")
    percent = Decimal(str(line["explanation"]["rate_percent"]))
    assert percent > 0
    cost = sum(
        (
            row["meta_volume"] * INR_MARKETING[row["country"]]
            for row in ending.reconciliation
            if row["account"] == cast.tenant.name
        ),
        Decimal(0),
    )
    exact = cost * (1 + percent / 100)
    assert Decimal(line["net"]) == exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP) > 0


def assert_exports_are_what_they_claim(ending: Ending, home: Path) -> None:
    ready = [export for export in ending.exports if export["dataset"] == "messages"]
    assert len(ready) == len(ending.casts)
    for export in ready:
        assert export["status"] == "ready", export["failure"]
        (file,) = (home / "exports").glob(f"*/{export['export_id']}/*.parquet")
        assert hashlib.sha256(file.read_bytes()).hexdigest() == export["sha256"]
        frame = pl.read_parquet(file)
        assert frame.height == export["rows"] > 0
        assert frame["campaign_id"].n_unique() == 1
        assert frame["message_id"].n_unique() == frame.height
