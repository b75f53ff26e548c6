"""Template pacing: the first sends pass, the next are held until Meta has seen the reactions.

Meta's page (2026-09-11): always possible for marketing, for utility only after a pause; the held
ones are released, or dropped with failed/132015 while the template is paused.
"""

from sandbox.callbacks import Dispatcher
from sandbox.payloads import template_status_update
from sandbox.templates import Pacing, Template


def hold_for_pacing(
    dispatcher: Dispatcher, template: Template | None, now_ms: int
) -> tuple[int, bool] | None:
    """(milliseconds to wait, whether it is dropped then) for one send; None when it isn't held."""
    pacing = template.pacing if template is not None else None
    if template is None or pacing is None:
        return None
    pacing.sent += 1
    if pacing.sent <= pacing.first:
        return None
    if pacing.decided_at_ms is None:
        pacing.decided_at_ms = now_ms + pacing.decision_ms
        dispatcher.do_at(pacing.decided_at_ms, lambda: _decide(dispatcher, template, pacing))
    return max(0, pacing.decided_at_ms - now_ms), pacing.drops


def _decide(dispatcher: Dispatcher, template: Template, pacing: Pacing) -> None:
    if template.pacing is not pacing:
        return
    template.pacing = None
    if pacing.drops:
        # A pause by pacing never ends by itself: somebody unpauses it by hand or by API.
        template.pauses += 1
        announce_pause(dispatcher, template, "RATE_LIMITING_PAUSE", "Bad first reactions.")


def announce_pause(
    dispatcher: Dispatcher, template: Template, title: str, description: str
) -> None:
    """Pause a template; the webhook's title says why."""
    template.status = "PAUSED"
    other_info: dict[str, object] = {"title": title, "description": description}
    dispatcher.announce(template_status_update(template, "PAUSED", other_info=other_info))
