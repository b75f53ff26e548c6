"""`carteiro demo`: from campaign to export on this machine, with a crash on purpose."""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console

from carteiro.demo.client import DemoFailed
from carteiro.demo.people import ROWS
from carteiro.demo.stage import people_of_this_run
from carteiro.demo.story import Ending, epilogue, tell
from carteiro.demo.world import sandbox_world
from carteiro.home import Home
from carteiro.stack import Stack, purge, start_detached, stop_running

#: A doubt is settled after this long in the demo; 15 minutes in real life.
_QUICK = {
    "CARTEIRO_IN_DOUBT_QUIET_SECONDS": "12",
    "CARTEIRO_LEASE_SECONDS": "12",
    "CARTEIRO_SEND_TIMEOUT_SECONDS": "8",
}


def run(
    *,
    keep: bool = False,
    rows: int = ROWS,
    seed: int = 7,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Tell the story and return 0, or 1 when its sums do not agree.

    Works in `<home>/demo`, wiped first, on embedded servers; on servers named by CARTEIRO_*_URL it
    adds new tenants beside what is there.
    """
    console = Console()
    if not console.is_terminal:
        # A log file has no width of its own; tables need some.
        console = Console(width=120)
    home = Home(Home.from_environment(environment).path / "demo")
    if home.path.exists():
        # An earlier `make demo KEEP=1` may still run here.
        stop_running(home)
        purge(home)
    people = people_of_this_run(own_servers="CARTEIRO_DATABASE_URL" in environment)
    world = sandbox_world(people, seed=seed, today=datetime.now(UTC).date())
    began = time.monotonic()
    console.print(f"Starting PostgreSQL, broker, API, sender and sandbox in {home.path} ...")
    with Stack(
        home, workers=2, dagster=False, sandbox_world=world, environment={**environment, **_QUICK}
    ) as stack:
        console.print(f"[dim]ready after {time.monotonic() - began:.0f} s[/]")
        try:
            ending = asyncio.run(tell(stack, people, console, rows=rows, seed=seed))
        except DemoFailed as error:
            console.print(f"[bold red]The demo failed:[/] {error}")
            return 1
        epilogue(ending, stack, console, keep=keep)
        console.print(f"[dim]the whole story took {time.monotonic() - began:.0f} s[/]")
    if keep:
        _leave_running(home, console)
    return 0 if ending.verdict.clean else 1


def _leave_running(home: Home, console: Console) -> None:
    """Start the same data again in the background, Dagster included, and say where things are."""
    console.print("Starting everything again, to stay ...")
    start_detached(home)
    ports = home.known_ports()
    console.print(
        f"API docs   http://127.0.0.1:{ports['api']}/docs\n"
        f"sandbox    http://127.0.0.1:{ports['sandbox']}/\n"
        f"Dagster    http://127.0.0.1:{ports['dagster']}/\n"
        f"stop it    CARTEIRO_HOME={home.path} .venv/bin/carteiro down"
    )


__all__ = ["Ending", "run"]
