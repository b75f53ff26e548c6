"""What our own parser reads out of a webhook, as flat facts for people and scripts.

`core.whatsapp.webhooks` parses, as it does for the applier; only of what it refused is read here
what can be read. The keys are described in docs/webhooks-in.md. A key that doesn't apply is absent,
never null.
"""

from datetime import datetime
from typing import Final

from core.domain.ids import PhoneNumberId, WabaId
from core.whatsapp.json_values import Json, optional_identifier, optional_instant, text
from core.whatsapp.updates import (
    AccountUpdate,
    BadUpdate,
    CallStatusUpdate,
    CallUpdate,
    EchoUpdate,
    ErrorUpdate,
    GroupUpdate,
    HistoryUpdate,
    InboundMessage,
    PreferenceUpdate,
    Pricing,
    ReportedError,
    StatusUpdate,
    TemplateChange,
    TemplateUpdate,
    UnknownPreference,
    UnknownStatus,
    UnknownUpdate,
    Update,
    UserIdUpdate,
)
from core.whatsapp.webhooks import read_envelope

Fact = str | int | bool
Facts = dict[str, Fact]
Given = Fact | None

_TEMPLATE_KINDS: Final = {
    TemplateChange.STATUS: ("message_template_status_update", "template_status"),
    TemplateChange.QUALITY: ("message_template_quality_update", "template_quality"),
    TemplateChange.CATEGORY: ("template_category_update", "template_category"),
    TemplateChange.COMPONENTS: ("message_template_components_update", "template_components"),
}
_REFUSED_KINDS: Final = {("messages", "statuses"): "status", ("messages", "messages"): "message"}
_ACCOUNT_KINDS: Final = {
    "phone_number_quality_update": "phone_quality",
    "business_capability_update": "capability",
}


def explain_webhook(body: object) -> list[Facts]:
    """The events of one webhook body, in its order; an update that can't be read is one of them."""
    return [_facts(update, body) for update in read_envelope(body)]


def _refused(update: BadUpdate, body: object) -> Facts:
    """What can be read of an element that the parser refused; its list says what it was to be."""
    listed = "/".join(update.path.split("/")[-2:-1])
    kind = _REFUSED_KINDS.get((update.field, listed), "other")
    item = {} if kind == "other" else _element(body, update.path)
    told = {"status": _told_status, "message": _told_message}.get(kind, _told_nothing)
    return _present(
        update,
        update.field or None,
        kind,
        phone_number_id=update.phone_number_id,
        **told(item),
        reason=f"{update.reason} at {update.path or '/'}",
    )


def _element(body: object, path: str) -> Json:
    """What stands at a path of the parser's; empty when it is no object."""
    for step in path.split("/")[1:]:
        if isinstance(body, list):
            body = body[int(step)]
        elif isinstance(body, dict) and not step.isdigit():
            body = body.get(step)
        # An item without its list was read as one: its 0 is no step.
    return body if isinstance(body, dict) else {}


def _told_status(item: Json) -> dict[str, Given]:
    return {
        "wamid": optional_identifier(item, "id"),
        "status": text(item, "status", limit=32) or None,
        "ts": _seconds(optional_instant(item, "timestamp")),
        "recipient": optional_identifier(item, "recipient_id", limit=64),
        "recipient_bsuid": optional_identifier(item, "recipient_user_id", limit=160),
    }


def _told_message(item: Json) -> dict[str, Given]:
    return {
        "wamid": optional_identifier(item, "id"),
        "ts": _seconds(optional_instant(item, "timestamp")),
        "sender": optional_identifier(item, "from", limit=64),
        "sender_bsuid": optional_identifier(item, "from_user_id", limit=160),
        "msg_type": text(item, "type", limit=32) or None,
    }


def _told_nothing(_item: Json) -> dict[str, Given]:
    return {}


def _facts(update: Update, body: object) -> Facts:  # noqa: C901, PLR0912 - a case a class
    match update:
        case StatusUpdate() | UnknownStatus():
            return _status(update)
        case InboundMessage():
            return _message(update)
        case TemplateUpdate():
            return _template(update)
        case AccountUpdate():
            return _account(update)
        case PreferenceUpdate() | UnknownPreference():
            return _preference(update)
        case UserIdUpdate():
            return _user_id(update)
        case CallUpdate():
            return _call(update)
        case CallStatusUpdate():
            return _call_status(update)
        case EchoUpdate():
            return _echo(update)
        case GroupUpdate():
            return _group(update)
        case ErrorUpdate():
            return _error(update)
        case BadUpdate():
            return _refused(update, body)
        case UnknownUpdate():
            return _other(update)
        case HistoryUpdate():
            return _present(update, update.field, "other", phone_number_id=update.phone_number_id)


def _other(update: UnknownUpdate) -> Facts:
    # That we don't know the field says the kind already.
    reason = "" if update.what == "field" else update.what
    return _present(
        update,
        update.field or None,
        "other",
        phone_number_id=update.phone_number_id,
        ts=_seconds(update.occurred_at),
        reason=reason or None,
    )


def _status(update: StatusUpdate | UnknownStatus) -> Facts:
    return _present(
        update,
        "messages",
        "status",
        phone_number_id=update.phone_number_id,
        wamid=update.wamid,
        status=update.word,
        ts=_seconds(update.occurred_at),
        recipient=update.recipient_wa_id,
        recipient_bsuid=update.recipient_user_id,
        **_first_error(update.errors),
        **_priced(update.pricing),
    )


def _priced(pricing: Pricing | None) -> dict[str, Given]:
    if pricing is None:
        return {}
    return {
        "category": pricing.category,
        "pricing_model": pricing.model,
        "pricing_type": pricing.type,
        "billable": pricing.billable,
    }


def _first_error(errors: tuple[ReportedError, ...]) -> dict[str, Given]:
    """Titles are Meta's; details may quote what was sent and are left out."""
    return {"code": errors[0].code, "reason": errors[0].title} if errors else {}


def _message(update: InboundMessage) -> Facts:
    told = _first_error(update.errors)
    if update.is_system:
        told = {"reason": update.system_type}
    return _present(
        update,
        "messages",
        "system" if update.is_system else "message",
        phone_number_id=update.phone_number_id,
        wamid=update.wamid,
        ts=_seconds(update.occurred_at),
        sender=update.from_wa_id,
        sender_bsuid=update.from_user_id,
        msg_type=update.kind,
        **told,
    )


def _template(update: TemplateUpdate) -> Facts:
    field, kind = _TEMPLATE_KINDS[update.change]
    reason = {
        TemplateChange.CATEGORY: update.category_next,
        TemplateChange.QUALITY: update.previous,
    }.get(update.change, update.reason)
    return _present(
        update,
        field,
        kind,
        status=update.event,
        ts=_seconds(update.occurred_at),
        category=update.category_now,
        template=update.name,
        template_id=update.meta_template_id,
        lang=update.language,
        reason=reason,
    )


def _account(update: AccountUpdate) -> Facts:
    tier = update.volume_tier
    told = [restriction.kind for restriction in update.restrictions]
    told += [update.violation or "", update.ban_state or "", update.messaging_limit or ""]
    told += [tier.tier] if tier else []
    return _present(
        update,
        update.field,
        _ACCOUNT_KINDS.get(update.field, "account_update"),
        status=update.event,
        ts=_seconds(update.occurred_at),
        category=tier.category if tier else None,
        reason=", ".join(word for word in told if word) or None,
    )


def _preference(update: PreferenceUpdate | UnknownPreference) -> Facts:
    if isinstance(update, UnknownPreference):
        word = update.word
    else:
        word = "stop" if update.stopped else "resume"
    return _present(
        update,
        "user_preferences",
        "user_preference",
        phone_number_id=update.phone_number_id,
        status=word,
        ts=_seconds(update.occurred_at),
        sender=update.wa_id,
        sender_bsuid=update.user_id,
        category=update.category or None,
    )


def _user_id(update: UserIdUpdate) -> Facts:
    return _present(
        update,
        "user_id_update",
        "user_id_update",
        phone_number_id=update.phone_number_id,
        ts=_seconds(update.occurred_at),
        sender=update.wa_id,
        sender_bsuid=update.current_user_id,
        reason=update.previous_user_id,
    )


def _call(update: CallUpdate) -> Facts:
    return _present(
        update,
        "calls",
        "call",
        phone_number_id=update.phone_number_id,
        wamid=update.call_id,
        status=update.event,
        ts=_seconds(update.occurred_at),
        recipient=update.to_wa_id,
        recipient_bsuid=update.to_user_id,
        sender=update.from_wa_id,
        sender_bsuid=update.from_user_id,
        **_first_error(update.errors),
    )


def _call_status(update: CallStatusUpdate) -> Facts:
    return _present(
        update,
        "calls",
        "call_status",
        phone_number_id=update.phone_number_id,
        wamid=update.call_id,
        status=update.word,
        ts=_seconds(update.occurred_at),
        recipient=update.recipient_wa_id,
        recipient_bsuid=update.recipient_user_id,
    )


def _echo(update: EchoUpdate) -> Facts:
    return _present(
        update,
        update.field,
        "echo",
        phone_number_id=update.phone_number_id,
        wamid=update.wamid,
        ts=_seconds(update.occurred_at),
        recipient=update.to_wa_id,
        recipient_bsuid=update.to_user_id,
        sender=update.from_wa_id,
        msg_type=update.kind,
    )


def _group(update: GroupUpdate) -> Facts:
    return _present(
        update,
        update.field,
        "group",
        phone_number_id=update.phone_number_id,
        status=update.event,
        ts=_seconds(update.occurred_at),
    )


def _error(update: ErrorUpdate) -> Facts:
    return _present(
        update,
        update.field,
        "error",
        phone_number_id=update.phone_number_id,
        **_first_error((update.error,)),
    )


def _present(
    update: Update,
    field: str | None,
    kind: str,
    *,
    phone_number_id: PhoneNumberId | None = None,
    **facts: Given,
) -> Facts:
    waba_id: WabaId | None = update.waba_id
    every: dict[str, Given] = {
        "event": update.position,
        "field": field,
        "kind": kind,
        "waba_id": waba_id,
        "phone_number_id": phone_number_id,
        **facts,
    }
    return without_absent(every)


def without_absent(facts: dict[str, Given]) -> Facts:
    """The facts that there are."""
    return {name: value for name, value in facts.items() if value is not None}


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
