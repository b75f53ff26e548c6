"""The page at /: what the sandbox does at this moment, at a glance, without a phone number.

The page is static; a few lines of JavaScript fetch /sandbox/live every second.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sandbox.acceptance import Sandbox
from sandbox.live import snapshot

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --good: #1a7f37; --bad: #c62828 }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 68rem; padding: 0 1rem }
h1 { margin: 0 } h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
header { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between }
#cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .9rem }
.card b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums }
.card span, .soft { opacity: .7 }
svg { width: 100%; height: 4rem; background: var(--soft); border-radius: .6rem; margin-top: .8rem }
polyline { fill: none; stroke: var(--good); stroke-width: 2; vector-effect: non-scaling-stroke }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .2rem .6rem; border-bottom: 1px solid var(--line) }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums }
code { font-size: 13px; overflow-wrap: anywhere }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 0 2rem }
"""

_SCRIPT: Final = """
const history = [], seen = {total: null, at: 0};
const el = (name, text, cls) => {
  const e = document.createElement(name);
  e.textContent = text; if (cls) e.className = cls;
  return e;
};
const show = value => typeof value === "number" ? value.toLocaleString("en") : String(value ?? "");
function table(id, title, head, rows) {
  const place = document.getElementById(id); place.replaceChildren();
  if (!rows.length) return;
  place.append(el("h2", title));
  const t = el("table", ""), h = el("tr", "");
  head.forEach((x, i) => h.append(el("th", x, typeof rows[0][i] === "number" ? "n" : "")));
  t.append(h);
  for (const row of rows) {
    const r = el("tr", "");
    row.forEach(x => r.append(el("td", show(x), typeof x === "number" ? "n" : "")));
    t.append(r);
  }
  place.append(t);
}
function draw(live) {
  const now = performance.now();
  const rate = seen.total === null ? 0 :
    Math.max(0, Math.round((live.accepted - seen.total) * 1000 / Math.max(now - seen.at, 1)));
  seen.total = live.accepted; seen.at = now;
  history.push(rate); if (history.length > 120) history.shift();
  const cards = [["accepted", live.accepted], ["accepted/s", rate], ["webhooks with 200",
    live.posts_ok], ["webhooks without", live.posts_failed], ["updates waiting", live.waiting],
    ["duplicates", live.duplicates]];
  document.getElementById("cards").replaceChildren(...cards.map(([name, value]) => {
    const card = el("div", "", "card"); card.append(el("b", show(value)), el("span", name));
    return card;
  }));
  const most = Math.max(10, ...history);
  document.querySelector("polyline").setAttribute("points",
    history.map((x, i) => `${i * 5},${60 - 56 * x / most}`).join(" "));
  document.getElementById("clock").textContent =
    `${live.clock.now.slice(0, 19)} UTC, speed ${live.clock.speed}`;
  document.getElementById("callback").textContent = live.callback;
  document.getElementById("faults").textContent = live.faults;
  for (const [id, [title, head, rows]] of Object.entries(live.tables)) table(id, title, head, rows);
}
async function tick() {
  try { draw(await (await fetch("/sandbox/live")).json()); } catch (error) { /* it is away */ }
  setTimeout(tick, 1000);
}
draw(JSON.parse(document.getElementById("first").textContent)); tick();
"""

_PAGE: Final = """<!doctype html><html lang=en><head><meta charset=utf-8>
<meta name=viewport content="width=device-width"><title>Carteiro sandbox</title>
<style>{style}</style></head><body>
<header><h1>Carteiro sandbox</h1><span class=soft id=clock></span></header>
<p>A local WhatsApp Cloud API. Nothing leaves this machine. Webhooks go to
<code id=callback></code>.</p>
<div id=cards></div>
<svg viewBox="0 0 600 64" preserveAspectRatio=none><polyline points=""/></svg>
<div class=two><div id=statuses></div><div id=refused></div></div>
<div id=numbers></div><div id=portfolios></div><div id=templates></div>
<h2>Faults in force</h2><p><code id=faults></code></p>
<div class=two><div id=messages></div><div id=webhooks></div></div>
<p class=soft>As JSON: <a href="/sandbox/ledger/summary">summary</a>,
<a href="/sandbox/ledger">ledger</a>, <a href="/sandbox/limits">limits</a>,
<a href="/sandbox/faults">faults</a>, <a href="/sandbox/clock">clock</a></p>
<script type="application/json" id=first>{first}</script><script>{script}</script></body></html>
"""


def render_page(sandbox: Sandbox) -> str:
    """The page with its first snapshot inside, so that it shows something without JavaScript's
    first fetch; recipients show their last two digits only."""
    first = snapshot(sandbox).decode().replace("<", "\\u003c")
    filled = _PAGE.replace("{style}", _STYLE).replace("{script}", _SCRIPT)
    return filled.replace("{first}", first)


def page_endpoint(sandbox: Sandbox) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint of /."""

    async def page(request: Request) -> Response:
        del request
        return HTMLResponse(render_page(sandbox))

    return page
