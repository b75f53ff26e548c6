"""What the demo shows: tables and one live picture, readable at a glance."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from rich import box
from rich.console import Group, JustifyMethod, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from carteiro.demo.chapters import Cast, Crash, Verdict, states
from carteiro.demo.client import Json

#: Order and colour of the states as they are shown.
STATE_COLOURS = {
    "queued": "bright_black",
    "sending": "yellow",
    "in_doubt": "magenta",
    "held": "dark_orange",
    "accepted": "cyan",
    "sent": "blue",
    "delivered": "green",
    "read": "bright_green",
    "failed": "red",
    "cancelled": "grey50",
    "expired": "grey50",
    "excluded": "grey37",
}
_BAR_WIDTH = 46
_FIGURES = {
    *("read", "new", "merged", "refused", "in", "quantity", "unit", "net", "tax", "rows", "MB"),
    *("ours", "Meta's", "our cost", "Meta's cost"),
}


def import_table(casts: Iterable[Cast]) -> Table:
    """Rows taken, merged, refused, and why."""
    table = _table("Import", "tenant", "read", "new", "merged", "refused", "why refused")
    for cast in casts:
        found = cast.imported
        table.add_row(
            cast.tenant.name,
            _number(found["rows_read"]),
            _number(found["rows_created"]),
            _number(found["rows_merged"]),
            _number(found["rows_refused"]),
            _reasons(found["refused_by_reason"]),
        )
    return table


def plan_table(casts: Iterable[Cast]) -> Table:
    """The dry run: who is in, who is out and why, what Meta will charge, when it ends."""
    table = _table("Plan (dry run)", "campaign", "in", "out, and why", "Meta's price", "finish")
    for cast in casts:
        plan = _object(cast.campaign["plan"])
        audience = _object(plan["audience"])
        table.add_row(
            f"{cast.tenant.campaign}\n[dim]{cast.tenant.name}[/]",
            _number(audience["queued"]),
            _reasons(audience["excluded_by_reason"]),
            _costs(_object(plan["cost"])),
            _finish(_object(plan["finish"])),
        )
    return table


def progress(casts: Sequence[Cast], crash: Crash | None) -> RenderableType:
    """A stacked bar a campaign, all states, and the conservation sum."""
    rows: list[RenderableType] = []
    for cast in casts:
        counts = states(cast.stats)
        conservation = _object(cast.stats["conservation"])
        mark = "[green]=[/]" if conservation["holds"] else "[red]≠[/]"
        head = (
            f"[bold]{cast.tenant.campaign}[/] [dim]{cast.stats['status']}[/]  "
            f"planned {_number(conservation['planned'])} {mark} sum {_number(conservation['sum'])}"
        )
        rows += [Text.from_markup(head), _bar(counts), _legend(counts), Text("")]
    if crash is not None:
        rows.append(_crash_line(crash))
    return Panel(Group(*rows), title="Sending", border_style="blue", padding=(0, 1))


def verdict_panel(verdict: Verdict, in_doubt: int) -> Panel:
    """The sandbox's own count against ours."""
    colour = "green" if verdict.clean else "red"
    lines = [
        f"the sandbox accepted {verdict.sandbox_accepted:,} messages, "
        f"{verdict.sandbox_messages:,} of them distinct; we know of {verdict.our_accepted:,}",
        f"lost: {max(verdict.sandbox_messages - verdict.our_accepted, 0)}   "
        f"sent twice: {verdict.sandbox_doubled}   "
        f"closed as not sent, on evidence: {in_doubt}",
    ]
    return Panel("\n".join(lines), title="Nothing lost, nothing twice", border_style=colour)


def invoice_table(tenant: str, invoice: Json) -> Table:
    """A draft invoice with its lines."""
    currency = invoice["currency"]
    period = f"{invoice['period_start']} to {invoice['period_end']}"
    title = f"{invoice['status']} invoice · {tenant} · {period}"
    table = _table(title, "line", "quantity", "unit", "net", "tax")
    lines = invoice["lines"]
    for line in lines if isinstance(lines, list) else []:
        table.add_row(
            str(line["description"]),
            _quantity(line["quantity"]),
            _plain(line["unit_price"], absent=""),
            _money(line["net"]),
            _money(line["tax"]),
        )
    table.add_section()
    table.add_row(
        f"[bold]total {currency}[/]", "", "", _money(invoice["net"]), _money(invoice["tax"])
    )
    table.caption = f"to pay: {currency} {_money(invoice['total'])}"
    return table


def states_line(cast: Cast) -> Text:
    """A campaign's last word, on two lines."""
    counts = states(cast.stats)
    head = Text.from_markup(
        f"[bold]{cast.tenant.campaign}[/] ({cast.tenant.name}): {cast.stats['status']}\n  "
    )
    return head.append_text(_legend(counts))


def reconciliation_table(rows: Iterable[Json]) -> Table:
    """Our delivered count and cost against Meta's pricing analytics, on the account's clock."""
    table = _table(
        "Reconciliation: our count against Meta's pricing analytics",
        *("account", "country", "category", "ours", "Meta's", "our cost", "Meta's cost", "verdict"),
    )
    for row in rows:
        agrees = row["break_type"] == "agrees"
        table.add_row(
            str(row["account"]),
            str(row["country"]),
            str(row["category"]),
            _number(row["our_volume"]),
            _number(row["meta_volume"]),
            _plain(row["our_cost"]),
            _plain(row["meta_cost"]),
            f"[{'green' if agrees else 'yellow'}]{str(row['break_type']).replace('_', ' ')}[/]",
        )
    return table


def export_lines(exports: Iterable[Json], home: Path) -> Text:
    """The export files, where they are and their checksums."""
    lines = Text("\nExports, each with its manifest beside it\n", style="bold")
    for export in exports:
        file = export_file(export, home)
        lines.append(
            f"  {export['dataset']}.{export['format']}  {_number(export['rows'])} rows, "
            f"{_number(export['bytes'])} bytes, sha256 {export['sha256']}\n  {_short(file)}\n",
            style="not bold",
        )
    return lines


def export_file(export: Json, home: Path) -> Path:
    """Where an export lies."""
    found = sorted((home / "exports").glob(f"*/{export['export_id']}/*.{export['format']}"))
    return found[0] if found else home / "exports"


def next_query(export: Json, home: Path) -> str:
    """A command an analyst could run next, as it is: delivered by country and day."""
    file = _short(export_file(export, home))
    statement = f"from '{file}' select country, state, count(*) group by all order by all"
    return f'.venv/bin/python -c "import duckdb; duckdb.sql(\\"{statement}\\").show()"'


def memory_table(peaks: dict[str, int]) -> Table:
    """Peak memory of every program."""
    table = _table("Peak memory", "program", "MB")
    for name, peak in sorted(peaks.items(), key=lambda item: -item[1]):
        if peak:
            table.add_row(name, f"{peak / 1_048_576:,.0f}")
    return table


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, title_style="bold")
    for column in columns:
        justify: JustifyMethod = "right" if column in _FIGURES else "left"
        table.add_column(column, justify=justify, overflow="fold")
    return table


def _bar(counts: dict[str, int]) -> Text:
    total = sum(counts.values()) or 1
    bar = Text()
    drawn = seen = 0
    for state, colour in STATE_COLOURS.items():
        seen += counts.get(state, 0)
        until = round(seen / total * _BAR_WIDTH)
        bar.append("█" * (until - drawn), style=colour)
        drawn = until
    return bar


def _legend(counts: dict[str, int]) -> Text:
    parts = [
        (f"{state} {counts[state]:,}  ", colour)
        for state, colour in STATE_COLOURS.items()
        if counts.get(state)
    ]
    return Text.assemble(*parts)


def _crash_line(crash: Crash) -> Text:
    return Text.from_markup(
        f"[bold red]SIGKILL[/] to {crash.program} (pid {', '.join(map(str, crash.process_ids))}) "
        f"after {crash.sent_before:,} messages; what it had in hand is in doubt until a webhook "
        "proves it, never sent again blindly"
    )


def _reasons(counts: object) -> str:
    return ", ".join(
        f"{str(reason).replace('_', ' ')} {count:,}" for reason, count in _object(counts).items()
    )


def _costs(cost: Json) -> str:
    lines = cost["lines"]
    shown = [
        f"{line['market'] or 'unknown market'} {line['category']}: "
        f"{line['messages']:,} x {_plain(line['rate'])} = {_plain(line['cost'])}"
        for line in (lines if isinstance(lines, list) else [])
    ]
    unknown = cost["unknown_messages"]
    total = f"[bold]{cost['currency']} {_plain(cost['total'])}[/]"
    rest = f" and {unknown} messages of unknown price" if unknown else ""
    return "\n".join([*shown, total + rest])


def _finish(finish: Json) -> str:
    return f"{finish['seconds_at_best']} to {finish['seconds_at_worst']} s"


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _plain(value: object, *, absent: str = "[yellow]unknown[/]") -> str:
    if value is None:
        return absent
    number = Decimal(str(value)).normalize()
    return f"{number:f}"


def _quantity(value: object) -> str:
    return f"{Decimal(str(value)):,.0f}"


def _money(value: object) -> str:
    return f"{Decimal(str(value)):,.2f}"
