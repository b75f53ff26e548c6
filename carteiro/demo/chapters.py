"""The chapters of the story, in order. Each does one thing through the public doors (HTTP API,
command line functions, Dagster) and returns what happened, so that a test can judge it."""

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import psycopg

from carteiro.demo.client import DemoFailed, Json, TenantClient
from carteiro.demo.people import DemoTenant, write_contacts
from carteiro.stack import Stack
from core.settings import DatabaseRole, Settings
from core.store.queries import load

#: People of the demo agreed in a shop, by this text.
CONSENT = {
    "consent_channel": "store counter",
    "consent_text_version": "2026-01",
    "consent_evidence": "signed card, scanned",
}
CAMPAIGN_DONE = {"finished", "finished_with_failures"}
_POLL_SECONDS = 0.5
_SETTLE_SECONDS = 150.0


@dataclass(slots=True, kw_only=True)
class Cast:
    """One tenant on stage: who they are, their key, and what happened to them so far."""

    tenant: DemoTenant
    tenant_id: str
    client: TenantClient
    csv: Path | None = None
    imported: Json = field(default_factory=dict)
    error_file: Path | None = None
    campaign: Json = field(default_factory=dict)
    stats: Json = field(default_factory=dict)
    export: Json = field(default_factory=dict)

    @property
    def campaign_path(self) -> str:
        """Where the campaign lives in the API."""
        return f"/v1/campaigns/{self.campaign['campaign_id']}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """A process we killed on purpose: when, and how much was under way."""

    program: str
    process_ids: tuple[int, ...]
    sent_before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the sandbox counted against what we counted."""

    sandbox_accepted: int
    sandbox_messages: int
    sandbox_doubled: int
    our_accepted: int
    conservation_holds: bool

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing doubled, sums agree."""
        return (
            self.conservation_holds
            and self.sandbox_doubled == 0
            and self.our_accepted == self.sandbox_messages
        )


async def import_people(cast: Cast, folder: Path, *, rows: int, seed: int) -> None:
    """Write the tenant's CSV, upload it, keep the counts and the row-level error file."""
    cast.csv = write_contacts(cast.tenant, folder / f"{cast.tenant.slug}.csv", rows=rows, seed=seed)
    taken = await cast.client.upload_csv(
        "/v1/contacts/imports", cast.csv, list="Customers", **CONSENT
    )
    cast.imported = await cast.client.wait_for(
        f"/v1/contacts/imports/{taken['import_id']}", "status", {"finished"}, failed={"failed"}
    )
    cast.error_file = await cast.client.download(
        f"/v1/contacts/imports/{cast.imported['import_id']}/errors",
        folder / f"{cast.tenant.slug}-errors.csv",
    )


async def plan_campaign(cast: Cast) -> None:
    """Sync numbers and templates, create the campaign and plan it without sending anything."""
    await cast.client.post("/v1/numbers/sync")
    await cast.client.post("/v1/templates/sync")
    template = await _find_template(cast)
    created = await cast.client.post(
        "/v1/campaigns",
        {
            "name": cast.tenant.campaign,
            "phone_number_id": cast.tenant.phone_number_id,
            "template_id": template["template_id"],
            "list_id": cast.imported["list_id"],
            "parameters": {"1": {"attribute": "name"}, "2": {"attribute": "store"}},
        },
        idempotency_key=f"demo-{cast.tenant.slug}",
    )
    cast.campaign = created
    await cast.client.post(f"{cast.campaign_path}/plan")
    cast.campaign = await cast.client.wait_for(
        cast.campaign_path, "status", {"planned"}, failed={"plan_failed"}
    )


async def approve_and_launch(cast: Cast) -> None:
    """Approve exactly the plan that was read, and start."""
    await cast.client.post(
        f"{cast.campaign_path}/approve", {"plan_hash": cast.campaign["plan_hash"]}
    )
    cast.campaign = await cast.client.post(f"{cast.campaign_path}/launch")


async def watch(
    casts: list[Cast],
    stack: Stack,
    show: Callable[[list[Cast], Crash | None], None],
    *,
    crash_at: float = 0.35,
) -> Crash | None:
    """Follow all campaigns to their end; kill a worker once a third has left. Returns the crash.

    Raises DemoFailed when a campaign does not end in time.
    """
    crash: Crash | None = None
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        for cast in casts:
            cast.stats = await cast.client.get(f"{cast.campaign_path}/stats")
        left, total = _progress(casts)
        if crash is None and total and left >= crash_at * total and left < total:
            crash = Crash(
                program="worker-1",
                process_ids=tuple(stack.kill("worker-1", signal.SIGKILL)),
                sent_before=left,
            )
        show(casts, crash)
        if all(cast.stats["status"] in CAMPAIGN_DONE for cast in casts):
            return crash
        if time.monotonic() > deadline:
            raise DemoFailed("the campaigns did not end in time; see the logs of the sender")
        await asyncio.sleep(_POLL_SECONDS)


async def settle_webhooks(
    casts: list[Cast],
    settings: Settings,
    show: Callable[[list[Cast], Crash | None], None],
    crash: Crash | None,
) -> Json:
    """Wait until the sandbox has posted every status and we have applied them; its summary."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    quiet = 0
    async with aiohttp.ClientSession() as session:
        while True:
            address = f"{settings.meta_base_url}/sandbox/ledger/summary"
            async with session.get(address) as answer:
                summary: Json = await answer.json()
            for cast in casts:
                cast.stats = await cast.client.get(f"{cast.campaign_path}/stats")
            show(casts, crash)
            # Twice in a row: a batch that is being applied counts in neither.
            quiet = quiet + 1 if _pending(summary) == 0 and not _waiting(settings) else 0
            if quiet >= 2:
                return summary
            if time.monotonic() > deadline:
                raise DemoFailed("statuses are still on their way; see the applier's log")
            await asyncio.sleep(_POLL_SECONDS)


def judge(casts: list[Cast], summary: Json, numbers: set[str]) -> Verdict:
    """Compare the sandbox's ledger with our rows."""
    duplicates = summary["duplicates"]
    by_number = summary["accepted_by_number"]
    if not isinstance(duplicates, dict) or not isinstance(by_number, dict):
        raise DemoFailed("the sandbox's summary has another shape than expected")
    taken = [int(count) for number, count in by_number.items() if number in numbers]
    return Verdict(
        sandbox_accepted=sum(taken),
        sandbox_messages=_count(summary, "distinct_messages"),
        sandbox_doubled=int(duplicates["by_message"]),
        our_accepted=sum(accepted(cast.stats) for cast in casts),
        conservation_holds=all(_conserved(cast.stats) for cast in casts),
    )


def states(stats: Json) -> dict[str, int]:
    """Messages by state."""
    found = stats["states"]
    if not isinstance(found, dict):
        raise DemoFailed("the campaign's stats have no states")
    return {str(state): int(count) for state, count in found.items()}


def accepted(stats: Json) -> int:
    """Messages that Meta took: all later states, and failures that came by webhook."""
    return _count(stats, "accepted")


def closed_as_not_sent(casts: list[Cast]) -> int:
    """Messages whose doubt ended with: Meta never had it."""
    return sum(
        _count(reason, "messages")
        for cast in casts
        for reason in _rows(cast.stats["reasons"])
        if reason["reason"] == "unconfirmed"
    )


async def request_export(cast: Cast) -> Json:
    """Ask for the month's messages as Parquet; the data path writes the file."""
    return await cast.client.post(
        "/v1/exports",
        {"dataset": "messages", "format": "parquet"},
        idempotency_key=f"demo-export-{cast.tenant.slug}",
    )


async def _find_template(cast: Cast) -> Json:
    found = await cast.client.get("/v1/templates", limit="200")
    for row in _rows(found["items"]):
        if row["name"] == cast.tenant.template and row["status"] == "APPROVED":
            return dict(row)
    raise DemoFailed(f"the template {cast.tenant.template} was not synced")


def _progress(casts: list[Cast]) -> tuple[int, int]:
    left = total = 0
    for cast in casts:
        counts = states(cast.stats)
        waiting = counts.get("queued", 0) + counts.get("sending", 0)
        sendable = sum(counts.values()) - counts.get("excluded", 0)
        left += sendable - waiting
        total += sendable
    return left, total


def _pending(summary: Json) -> int:
    statuses = summary["statuses"]
    return int(statuses["pending"]) if isinstance(statuses, dict) else 0


def _waiting(settings: Settings) -> int:
    with psycopg.connect(settings.dsn(DatabaseRole.WORKER)) as connection:
        row = connection.execute(load("webhooks").count_waiting).fetchone()
    return int(row[0]) if row else 0


def _conserved(stats: Json) -> bool:
    conservation = stats["conservation"]
    return isinstance(conservation, dict) and bool(conservation["holds"])


def _rows(value: object) -> list[Json]:
    return value if isinstance(value, list) else []


def _count(of: Json, name: str) -> int:
    value = of[name]
    if not isinstance(value, int):
        raise DemoFailed(f"{name} is not a count")
    return value
