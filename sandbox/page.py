"""The page at /: what the sandbox received, at a glance, without a phone number."""

from collections.abc import Awaitable, Callable, Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.acceptance import Sandbox
from sandbox.ledger import Message
from sandbox.script import Kind

_SHOWN = 25
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #ccc8 }
td.n { text-align: right; font-variant-numeric: tabular-nums }
code { font-size: 13px } .zero { opacity: .5 }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd } }
"""


def render_page(sandbox: Sandbox) -> str:
    """The page as HTML; recipients show their last two digits only."""
    ledger = sandbox.ledger
    statuses = [
        (kind.name.lower(), ledger.planned[kind], ledger.emitted[kind], ledger.posted[kind])
        for kind in (Kind.SENT, Kind.DELIVERED, Kind.READ, Kind.FAILED)
    ]
    numbers = [
        (number.config.display_phone_number, number.id, ledger.by_number[number.id])
        for number in sandbox.world.numbers.values()
    ]
    last = [_message_row(message) for message in reversed(ledger.messages[-_SHOWN:])]
    faults = sandbox.faults.config.model_dump(mode="json", exclude_defaults=True)
    callback = sandbox.world.app_callback_url or "none: statuses go nowhere"
    refused = [(str(code), count) for code, count in sorted(ledger.refused.items())]
    duplicates = [(kind, count) for kind, count in ledger.duplicates.items()]
    return "".join(
        (
            "<!doctype html><html lang=en><head><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width'><title>Carteiro sandbox</title>",
            f"<style>{_STYLE}</style></head><body><h1>Carteiro sandbox</h1>",
            f"<p>{len(ledger.messages):,} messages accepted. Webhooks go to ",
            f"<code>{escape(callback)}</code>; {sandbox.dispatcher.posts_ok:,} POSTs answered ",
            f"with 200, {sandbox.dispatcher.posts_failed:,} not.</p>",
            _table(("number", "phone number id", "accepted"), numbers),
            _table(("status", "planned", "emitted", "posted"), statuses),
            _table(("refused with", "times"), refused),
            _table(("accepted twice by", "times"), duplicates),
            _table(("recipient", "type", "template", "category", "last status"), last),
            f"<h2>Faults in force</h2><p><code>{escape(str(faults or 'none'))}</code></p>",
            "<p>The same as JSON: <a href='/sandbox/ledger/summary'>/sandbox/ledger/summary</a>, ",
            "<a href='/sandbox/ledger'>/sandbox/ledger</a>, ",
            "<a href='/sandbox/faults'>/sandbox/faults</a></p></body></html>",
        )
    )


def page_endpoint(sandbox: Sandbox) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of /."""

    async def page(request: Request) -> Response:
        del request
        return HTMLResponse(render_page(sandbox))

    return page


def _message_row(message: Message) -> tuple[str, ...]:
    told = [
        Kind(step.kind).name.lower()
        for index, step in enumerate(message.steps)
        if message.emitted & 1 << index
    ]
    masked = f"{message.country} …{message.wa_id[-2:]}"
    status = told[-1] if told else "accepted"
    return masked, message.type, message.template or "", message.category, status


def _table(head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> str:
    if not rows:
        return ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td class=n>{value:,}</td>"
    return f"<td>{escape(str(value))}</td>"
