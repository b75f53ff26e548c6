"""Tells the story: chapters in order, each shown as it happens."""

import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.rule import Rule

from carteiro.demo import chapters, data_path, screens
from carteiro.demo.chapters import Cast, Crash, Verdict
from carteiro.demo.client import Json, TenantClient
from carteiro.demo.people import DemoTenant
from carteiro.demo.stage import Admitted, admit, adopted_environment
from carteiro.stack import Stack
from core.settings import Settings


@dataclass(slots=True, kw_only=True)
class Ending:
    """Everything the story ended with: for the last page, and for a test to judge."""

    casts: list[Cast]
    summary: Json
    verdict: Verdict
    crash: Crash | None
    invoices: list[Json] = field(default_factory=list)
    reconciliation: list[Json] = field(default_factory=list)
    exports: list[Json] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    sent_per_second: float = 0.0


async def tell(
    stack: Stack,
    people: tuple[DemoTenant, ...],
    console: Console,
    *,
    rows: int,
    seed: int,
    crash: bool = True,
) -> Ending:
    """Run the story on a ready stack. Raises DemoFailed when a chapter does not end as it must."""
    began = datetime.now(UTC)
    seconds: dict[str, float] = {}
    async with AsyncExitStack() as opened:
        settings = opened.enter_context(adopted_environment(stack.env))
        with _chapter(console, "1", "Three tenants join", seconds):
            casts = await _enter(opened, settings, admit(settings, people))
            for cast in casts:
                console.print(f"  {cast.tenant.name}, {cast.tenant.timezone}, {cast.tenant.plan}")
        await _prepare(casts, stack, console, seconds, rows=rows, seed=seed)
        ending = await _send(casts, stack, settings, console, seconds, crash=crash)
        with _chapter(console, "5", "From events to invoice, through Dagster", seconds):
            for cast in casts:
                cast.export = await chapters.request_export(cast)
            # A story that began before midnight UTC has events in two partitions.
            for day in sorted({began.date(), datetime.now(UTC).date()}):
                data_path.materialize(stack, console, day=day)
            await _collect(ending, settings)
    ending.seconds = seconds
    return ending


async def _enter(
    opened: AsyncExitStack, settings: Settings, admitted: list[Admitted]
) -> list[Cast]:
    return [
        Cast(
            tenant=one.tenant,
            tenant_id=str(one.tenant_id),
            client=await opened.enter_async_context(
                TenantClient(settings.api_base_url, one.api_key)
            ),
        )
        for one in admitted
    ]


async def _prepare(
    casts: list[Cast],
    stack: Stack,
    console: Console,
    seconds: dict[str, float],
    *,
    rows: int,
    seed: int,
) -> None:
    folder = stack.home.path / "demo"
    with _chapter(console, "2", f"Each imports a CSV of {rows:,} contacts", seconds):
        for cast in casts:
            await chapters.import_people(cast, folder, rows=rows, seed=seed)
        console.print(screens.import_table(casts))
        for cast in casts:
            console.print(f"  refused and merged rows, one by one: {_short(cast.error_file)}")
    with _chapter(console, "3", "Each plans a campaign: nothing is sent yet", seconds):
        for cast in casts:
            await chapters.plan_campaign(cast)
        console.print(screens.plan_table(casts))


async def _send(
    casts: list[Cast],
    stack: Stack,
    settings: Settings,
    console: Console,
    seconds: dict[str, float],
    *,
    crash: bool,
) -> Ending:
    numbers = {cast.tenant.phone_number_id for cast in casts}
    with _chapter(console, "4", "Approve, launch, and kill a worker on the way", seconds):
        for cast in casts:
            await chapters.approve_and_launch(cast)
        started = time.monotonic()
        with Live(console=console, refresh_per_second=4, transient=False) as live:

            def show(now: list[Cast], crashed: Crash | None) -> None:
                live.update(screens.progress(now, crashed))

            crashed = await chapters.watch(casts, stack, show, crash_at=0.35 if crash else 2.0)
            lasted = time.monotonic() - started
            summary = await chapters.settle_webhooks(casts, settings, show, crashed)
        console.print()
        verdict = chapters.judge(casts, summary, numbers)
        console.print(screens.verdict_panel(verdict, chapters.closed_as_not_sent(casts)))
    return Ending(
        casts=casts,
        summary=summary,
        verdict=verdict,
        crash=crashed,
        sent_per_second=verdict.our_accepted / lasted,
    )


async def _collect(ending: Ending, settings: Settings) -> None:
    for cast in ending.casts:
        invoices = await cast.client.get("/v1/invoices")
        items = invoices["items"]
        for invoice in items if isinstance(items, list) else []:
            ending.invoices.append(await cast.client.get(f"/v1/invoices/{invoice['invoice_id']}"))
        path = f"/v1/exports/{cast.export['export_id']}"
        ending.exports.append(await cast.client.get(path))
    wabas = [cast.tenant.waba_id for cast in ending.casts]
    ending.reconciliation = data_path.reconciliation(settings, wabas)


def epilogue(ending: Ending, stack: Stack, console: Console, *, keep: bool) -> None:
    """The last page: invoices, reconciliation, exports, a query to run next, where to look."""
    console.print(Rule("What came of it"))
    for cast in ending.casts:
        console.print(screens.states_line(cast))
    for invoice, cast in zip(ending.invoices, ending.casts, strict=True):
        console.print(screens.invoice_table(cast.tenant.name, invoice))
    console.print(screens.reconciliation_table(ending.reconciliation))
    console.print(screens.export_lines(ending.exports, stack.home.path), soft_wrap=True)
    console.print("[bold]A query to run next[/]")
    # Unwrapped, to be copied as it is.
    print("  " + screens.next_query(ending.exports[0], stack.home.path))
    console.print(screens.memory_table(stack.rss()))
    parts = ", ".join(f"{name} {taken:.0f} s" for name, taken in ending.seconds.items())
    console.print(f"[dim]{parts}; {ending.sent_per_second:,.0f} messages a second accepted[/]")
    console.print(
        f"API docs and Dagster UI: {stack.env['CARTEIRO_API_BASE_URL']}/docs and "
        f"http://127.0.0.1:{stack.env['CARTEIRO_DAGSTER_PORT']}/ while the stack runs"
    )
    if not keep:
        console.print("Run [bold]make demo KEEP=1[/] to leave all of it running and look around.")


@contextmanager
def _chapter(
    console: Console, number: str, title: str, seconds: dict[str, float]
) -> Iterator[None]:
    console.print(Rule(f"{number}. {title}", align="left"))
    began = time.monotonic()
    yield
    seconds[title.split(":", maxsplit=1)[0].lower()] = time.monotonic() - began


def _short(path: Path | None) -> str:
    if path is None:
        return ""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
