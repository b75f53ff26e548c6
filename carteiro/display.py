"""What `carteiro up` shows: a live table on a terminal, one line a change elsewhere."""

from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from carteiro.supervisor import State, Status

_COLOURS = {
    State.WAITING: "dim",
    State.STARTING: "yellow",
    State.RUNNING: "green",
    State.UNHEALTHY: "red",
    State.RESTARTING: "red",
    State.FINISHED: "green",
    State.FAILED: "bold red",
    State.STOPPED: "dim",
}
_REFRESHES_PER_SECOND = 4


class Display:
    """Shows snapshots; use as a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, tuple[State, int]] = {}
        self._live = (
            Live(console=console, refresh_per_second=_REFRESHES_PER_SECOND)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> "Display":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, statuses: list[Status]) -> None:
        """Draw the table anew, or print the programs whose state has changed."""
        if self._live is not None:
            self._live.update(status_table(statuses))
            return
        for status in statuses:
            now = (status.state, status.restarts)
            if self._seen.get(status.name) != now:
                self._seen[status.name] = now
                detail = " ".join(part for part in (status.address, status.reason) if part)
                self._console.print(f"{status.name}: {status.state} {detail}".rstrip())


def status_table(statuses: list[Status]) -> Table:
    """One line a program."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("program", "state", "pid", "up", "restarts", "peak memory", "address"):
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left")
    for status in statuses:
        table.add_row(
            status.name,
            Text(status.state, style=_COLOURS[status.state]),
            str(status.pid or ""),
            str(timedelta(seconds=int(status.uptime_seconds))) if status.pid else "",
            str(status.restarts or ""),
            f"{status.peak_bytes / 1e6:.0f} MB" if status.peak_bytes else "",
            Text(status.address or status.reason, style="red" if status.reason else ""),
        )
    return table


_NUMBERS = frozenset({"pid", "up", "restarts", "peak memory"})
