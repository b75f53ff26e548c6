"""The bytes of webhooks: Meta's shapes of v23, v24 and 2026, escaped and signed as Meta does.

The newest follows Meta's webhook reference as of September 2026: no `conversation`,
business-scoped user ids, contacts on sent, delivered and read but not on failed.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

from sandbox.config import EscapeMode, Shape
from sandbox.errors import error_spec
from sandbox.ledger import Message
from sandbox.script import Flag, Kind, Step
from sandbox.templates import Template
from sandbox.world import Number, World

ERROR_HREF: Final = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"
_PMP_MS: Final = 1_751_328_000_000
"""2025-07-01 00:00 UTC: from here on Meta charges per message, not per conversation."""
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_STATUS_NAMES = {int(kind): kind.name.lower() for kind in Kind if kind != Kind.FACT}
_FIRST_NAMES = ("João", "Zoë", "Ana", "Priya", "Miguel", "Inês", "Arjun", "Chloé", "Günter", "李雷")
_LAST_NAMES = ("Silva", "Conceição", "Sharma", "O'Neill", "Müller", "Costa", "Nair", "Núñez 🌟")


class StatusRef(NamedTuple):
    """One step of one message, on its way to a callback."""

    message: Message
    step: int


@dataclass(frozen=True, slots=True)
class Update:
    """Any webhook that isn't a status: inbound message, template, account, preference."""

    waba_id: str
    field: str
    value: dict[str, object]
    with_time: bool = True
    number_id: str | None = None


def escape_json(body: bytes, mode: EscapeMode) -> bytes:
    """Escape a JSON text like Meta: `\\u00e4` in lower case, `/` as `\\/`.

    Mode `html` also escapes `<`, `%` and `@`, as one receiver's documentation tells. These
    characters occur in strings only, so the text stays the same JSON value.
    """
    if mode is EscapeMode.RAW:
        return body
    if not body.isascii():
        body = _NON_ASCII.sub(_escape_of, body.decode()).encode("ascii")
    body = body.replace(b"/", b"\\/")
    if mode is EscapeMode.HTML:
        body = body.replace(b"<", b"\\u003C").replace(b"%", b"\\u0025").replace(b"@", b"\\u0040")
    return body


def _escape_of(match: re.Match[str]) -> str:
    return _unicode_escape(match.group())


@lru_cache(maxsize=4096)
def _unicode_escape(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def sign(body: bytes, app_secret: str) -> str:
    """The value of X-Hub-Signature-256 over exactly these bytes."""
    return "sha256=" + hmac.digest(app_secret.encode(), body, hashlib.sha256).hex()


class _NumberStatuses:
    """The statuses of one number inside one webhook body."""

    def __init__(self, number: Number) -> None:
        self.contacts: list[dict[str, object]] = []
        self.statuses: list[dict[str, object]] = []
        self.value: dict[str, object] = {
            "messaging_product": "whatsapp",
            "metadata": number_metadata(number),
            "statuses": self.statuses,
        }

    def append(self, world: World, number: Number, ref: StatusRef, now_ms: int) -> None:
        """Add one status in the configured shape, and its contact unless it failed."""
        message = ref.message
        step = message.steps[ref.step]
        shape = world.config.callback.shape
        hidden = shape is Shape.BSUID and _is_hidden(world, number, message, step, now_ms)
        status: dict[str, object] = {
            "id": message.wamid,
            "status": _STATUS_NAMES[step.kind],
            "timestamp": str((message.accepted_ms + step.at_ms) // 1000),
        }
        if not hidden:
            status["recipient_id"] = message.wa_id
        if step.kind == Kind.FAILED:
            status["errors"] = [webhook_error(step.code)]
        elif shape is Shape.BSUID:
            bsuid = world.bsuid(number.waba.config.portfolio_id, message.wa_id, message.country)
            status["recipient_user_id"] = bsuid
            known_name = step.kind != Kind.SENT
            self.contacts.append(
                contact(message.wa_id, bsuid, hidden=hidden, with_username=known_name)
            )
            self.value["contacts"] = self.contacts
        elif shape is Shape.V23:
            status["conversation"] = _conversation(message, step)
        if step.flags & Flag.PRICING:
            status["pricing"] = pricing(
                message.category, message.price_type, conversations=message.accepted_ms < _PMP_MS
            )
        if message.opaque is not None:
            status["biz_opaque_callback_data"] = message.opaque
        self.statuses.append(status)


def _is_hidden(world: World, number: Number, message: Message, step: Step, now_ms: int) -> bool:
    if step.flags & Flag.HIDDEN_PHONE:
        return True
    by_rule = world.config.callback.phones_by_rule
    return by_rule and not world.knows_phone(number, message.wa_id, now_ms)


def _conversation(message: Message, step: Step) -> dict[str, object]:
    """The object of v23 and older: one per message since July 2025, its end with `sent` only."""
    identity = hashlib.blake2b(message.wamid.encode(), digest_size=16).hexdigest()
    told: dict[str, object] = {"id": identity}
    if step.kind == Kind.SENT:
        told["expiration_timestamp"] = str(message.accepted_ms // 1000 + 86_400)
    told["origin"] = {"type": message.category.replace("-", "_")}
    return told


def envelope(world: World, items: Sequence[StatusRef | Update], now_ms: int) -> bytes:
    """One webhook body with all the items; one entry per account, one change per number."""
    changes: dict[str, list[dict[str, object]]] = {}
    numbers: dict[str, _NumberStatuses] = {}
    timed: set[str] = set()
    for item in items:
        if isinstance(item, Update):
            changes.setdefault(item.waba_id, []).append({"value": item.value, "field": item.field})
            if item.with_time:
                timed.add(item.waba_id)
            continue
        number = world.numbers[item.message.number_id]
        group = numbers.get(number.id)
        if group is None:
            group = numbers[number.id] = _NumberStatuses(number)
            change: dict[str, object] = {"value": group.value, "field": "messages"}
            changes.setdefault(number.waba.id, []).append(change)
        group.append(world, number, item, now_ms)
    entries: list[dict[str, object]] = []
    for waba_id, waba_changes in changes.items():
        entry: dict[str, object] = {"id": waba_id}
        if waba_id in timed:
            entry["time"] = now_ms // 1000
        entry["changes"] = waba_changes
        entries.append(entry)
    return orjson.dumps({"object": "whatsapp_business_account", "entry": entries})


def number_metadata(number: Number) -> dict[str, object]:
    """The `metadata` of every value that belongs to a number."""
    return {"display_phone_number": number.display, "phone_number_id": number.id}


def pricing(category: str, price_type: str, *, conversations: bool = False) -> dict[str, object]:
    """The pricing object of a status: per message since July 2025, per conversation before."""
    if conversations:
        return {"billable": True, "pricing_model": "CBP", "category": category}
    return {
        "billable": price_type == "regular",
        "pricing_model": "PMP",
        "type": price_type,
        "category": category,
    }


def contact(
    wa_id: str, bsuid: str, *, hidden: bool = False, with_username: bool = False
) -> dict[str, object]:
    """A contacts[] entry; names follow from the user id and often hold accents."""
    drawn = int(bsuid[-6:])
    name = f"{_FIRST_NAMES[drawn % 10]} {_LAST_NAMES[drawn // 10 % 8]}"
    profile: dict[str, object] = {"name": name}
    if with_username and drawn % 5 == 0:
        profile["username"] = f"user.{bsuid[-6:]}"
    entry: dict[str, object] = {"profile": profile}
    if not hidden:
        entry["wa_id"] = wa_id
    entry["user_id"] = bsuid
    return entry


def webhook_error(code: int) -> dict[str, object]:
    """An errors[] entry of a failed status; title and message are the same text."""
    spec = error_spec(code)
    return {
        "code": code,
        "title": spec.title,
        "message": spec.title,
        "error_data": {"details": spec.details or spec.title},
        "href": ERROR_HREF,
    }


def template_status_update(
    template: Template, event: str, reason: str = "NONE", **more: dict[str, object]
) -> Update:
    """message_template_status_update; `more` is disable_info, other_info or rejection_info."""
    return Update(
        template.waba_id,
        "message_template_status_update",
        {
            "event": event,
            "message_template_id": int(template.id),
            "message_template_name": template.name,
            "message_template_language": template_language(template),
            "message_template_category": template.category,
            "reason": reason,
            **more,
        },
    )


def template_language(template: Template) -> str:
    """`en-US`: webhooks write a hyphen where the API has an underscore."""
    return template.language.replace("_", "-")
