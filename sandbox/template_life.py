"""What happens to a template after it exists: review, quality, pauses, categories, edits."""

import hashlib
from typing import Final

from sandbox.acceptance import Sandbox
from sandbox.clock import DAY_MS, HOUR_MS
from sandbox.errors import GraphError
from sandbox.pacing import announce_pause
from sandbox.payloads import Update, template_language, template_status_update
from sandbox.templates import Template

PAUSES_MS: Final = (3 * HOUR_MS, 6 * HOUR_MS)
"""The first and the second pause; after the third bad rating a template is disabled for good."""

_TITLES: Final = ("FIRST_PAUSE", "SECOND_PAUSE")
_EDITABLE: Final = frozenset({"APPROVED", "REJECTED", "PAUSED"})
NOTICE_MS: Final = DAY_MS


def review(sandbox: Sandbox, template: Template) -> None:
    """Decide about a pending template by the seed, and announce it."""
    if sandbox.world.templates.get(template.id) is not template or template.status != "PENDING":
        return
    rules = sandbox.config.review
    drawn = _drawn(sandbox, template, "review")
    if drawn < rules.rejected:
        template.status = "REJECTED"
        template.rejected_reason = "INVALID_FORMAT"
        update = template_status_update(
            template,
            "REJECTED",
            "INVALID_FORMAT",
            rejection_info={
                "reason": "The variables are not in order.",
                "recommendation": "Number them from 1 without a gap.",
            },
        )
        sandbox.dispatcher.announce(update)
        return
    if template.category == "UTILITY" and _drawn(sandbox, template, "word") < rules.recategorised:
        change_category(sandbox, template, "MARKETING")
    sandbox.set_template_status(template, "APPROVED")
    if template.edited:
        sandbox.dispatcher.announce(components_update(template))


def rate_quality(sandbox: Sandbox, template: Template, score: str) -> None:
    """Another quality: its webhook, and a pause (3 h, then 6 h, then disabled) when it is RED."""
    before, template.quality = template.quality, score
    value = _identity(template) | {"previous_quality_score": before, "new_quality_score": score}
    sandbox.dispatcher.announce(Update(template.waba_id, "message_template_quality_update", value))
    if score == "RED" and template.status == "APPROVED":
        pause(sandbox, template)


def pause(sandbox: Sandbox, template: Template) -> None:
    """Pause for 3 h, the second time for 6 h, then disable; pauses end by themselves."""
    times = template.pauses
    template.pauses += 1
    if times >= len(PAUSES_MS):
        template.status = "DISABLED"
        update = template_status_update(
            template,
            "DISABLED",
            disable_info={"disable_date": sandbox.clock.now_ms() // 1000},
            other_info={"title": "DISABLED", "description": "Paused too often."},
        )
        sandbox.dispatcher.announce(update)
        return
    hours = PAUSES_MS[times] // HOUR_MS
    announce_pause(sandbox.dispatcher, template, _TITLES[times], f"Paused for {hours} hours.")
    nth = template.pauses

    def end() -> None:
        if template.status == "PAUSED" and template.pauses == nth:
            unpause(sandbox, template)

    sandbox.later(PAUSES_MS[times], end)


def unpause(sandbox: Sandbox, template: Template) -> None:
    """Send it again, with the webhook that says so."""
    template.status = "APPROVED"
    template.quality = "UNKNOWN"
    other_info: dict[str, object] = {"title": "UNPAUSE", "description": "It can be sent."}
    sandbox.dispatcher.announce(template_status_update(template, "APPROVED", other_info=other_info))


def announce_category(sandbox: Sandbox, template: Template, category: str) -> None:
    """A day's notice, then the change; in the notice `new_category` is the current one."""
    template.correct_category = category
    due_ms = sandbox.clock.now_ms() + NOTICE_MS
    value = _identity(template) | {
        "new_category": template.category,
        "correct_category": category,
        "category_update_timestamp": due_ms // 1000,
    }
    sandbox.dispatcher.announce(Update(template.waba_id, "template_category_update", value))

    def done() -> None:
        if template.correct_category == category:
            change_category(sandbox, template, category)

    sandbox.later(NOTICE_MS, done)


def change_category(sandbox: Sandbox, template: Template, category: str) -> None:
    """The change itself (at once after a misuse warning), with the webhook's other form."""
    before, template.category = template.category, category
    template.previous_category = before
    template.correct_category = None
    value = _identity(template) | {"previous_category": before, "new_category": category}
    sandbox.dispatcher.announce(Update(template.waba_id, "template_category_update", value))


def check_edit(sandbox: Sandbox, template: Template) -> None:
    """Raise when it may not be edited now: 1 edit a day and 10 in 30 days of an approved one."""
    if template.status not in _EDITABLE:
        raise GraphError(2388039, f"A template that is {template.status} can't be edited")
    now_ms = sandbox.clock.now_ms()
    edits = [at for at in template.edits_ms if at > now_ms - 30 * DAY_MS]
    today = [at for at in edits if at > now_ms - DAY_MS]
    if template.status == "APPROVED" and (today or len(edits) >= 10):
        raise GraphError(2388039, "An approved template has 1 edit a day and 10 in 30 days")
    template.edits_ms = [*edits, now_ms]


def components_update(template: Template) -> Update:
    """The webhook that shows a template's new components."""
    value = _identity(template)
    for component in template.components:
        kind = str(component.get("type", "")).lower()
        if kind in {"header", "body", "footer"} and "text" in component:
            name = "message_template_element" if kind == "body" else f"message_template_{kind}"
            value[name] = component["text"]
        elif kind == "buttons":
            value["message_template_buttons"] = _told_buttons(component)
    return Update(template.waba_id, "message_template_components_update", value)


def _told_buttons(component: dict[str, object]) -> list[dict[str, object]]:
    buttons = component.get("buttons")
    return [
        {
            "message_template_button_type": button.get("type"),
            "message_template_button_text": button.get("text"),
        }
        for button in (buttons if isinstance(buttons, list) else [])
    ]


def _identity(template: Template) -> dict[str, object]:
    return {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template_language(template),
    }


def _drawn(sandbox: Sandbox, template: Template, purpose: str) -> float:
    identity = f"{sandbox.config.seed}/{purpose}/{template.name}/{template.language}"
    return int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=4).digest()) / 2.0**32
