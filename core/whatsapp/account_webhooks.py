"""Webhooks about templates, accounts and numbers: one update a change, none about a message."""

from typing import Final

from core.domain.ids import WabaId
from core.whatsapp.json_values import (
    Json,
    child,
    identifier,
    optional_identifier,
    optional_instant,
    text,
)
from core.whatsapp.places import Place, Reader
from core.whatsapp.updates import (
    AccountUpdate,
    Restriction,
    TemplateChange,
    TemplateUpdate,
    Update,
    VolumeTier,
)

_TEMPLATE_FIELDS: Final = {
    "message_template_status_update": TemplateChange.STATUS,
    "message_template_quality_update": TemplateChange.QUALITY,
    "message_template_components_update": TemplateChange.COMPONENTS,
    "template_category_update": TemplateChange.CATEGORY,
}
_ACCOUNT_FIELDS: Final = frozenset(
    {
        "account_update",
        "account_alerts",
        "account_review_update",
        "business_capability_update",
        "phone_number_quality_update",
        "phone_number_name_update",
    }
)
_LIMIT_NAMES: Final = (
    "max_daily_conversations_per_business",
    "max_daily_conversation_per_business",
    "max_daily_conversation_per_phone",
    "max_daily_conversations_per_phone",
    "current_limit",
)


def reader_of(field: str) -> Reader | None:
    """The function that reads a field's value, None for fields unknown to this version."""
    if field in _TEMPLATE_FIELDS:
        return _template
    return _account if field in _ACCOUNT_FIELDS else None


def _template(value: Json, place: Place) -> Update:
    change = _TEMPLATE_FIELDS[place.field]
    now, later = _categories(value)
    language = text(value, "message_template_language", limit=32)
    return TemplateUpdate(
        position=0,
        waba_id=place.waba,
        occurred_at=place.occurred_at,
        change=change,
        meta_template_id=identifier(value, "message_template_id", limit=64),
        name=text(value, "message_template_name"),
        # The webhook writes en-US, the API en_US.
        language=None if language is None else language.replace("-", "_"),
        event=_template_event(value, change),
        previous=text(value, "previous_quality_score", limit=64)
        or _lower(text(value, "previous_category", limit=32)),
        reason=_template_reason(value),
        category_now=now,
        category_next=later,
        category_next_at=optional_instant(value, "category_update_timestamp"),
    )


def _template_event(value: Json, change: TemplateChange) -> str | None:
    name = "new_quality_score" if change is TemplateChange.QUALITY else "event"
    return text(value, name, limit=64)


def _template_reason(value: Json) -> str | None:
    """Meta's `reason` is NONE for a pause; which pause it is stands in `other_info`."""
    reason = text(value, "reason", limit=64)
    if reason is not None and reason.upper() != "NONE":
        return reason
    told = text(child(value, "other_info"), "title", limit=64)
    return told or text(child(value, "rejection_info"), "reason", limit=64) or reason


def _categories(value: Json) -> tuple[str | None, str | None]:
    """The category now and the announced one.

    Both forms of the category update carry `new_category`: in the notice it is the category that
    still holds, and `correct_category` is the coming one; in the done form it is the new one.
    """
    current = text(value, "new_category", limit=32) or text(
        value, "message_template_category", limit=32
    )
    coming = text(value, "correct_category", limit=32)
    return _lower(current), _lower(coming)


def _lower(word: str | None) -> str | None:
    return None if word is None else word.lower().replace("-", "_")


def _account(value: Json, place: Place) -> Update:
    # For PARTNER_* events the entry's id is the business portfolio's, not the account's.
    own = optional_identifier(child(value, "waba_info"), "waba_id", limit=64)
    return AccountUpdate(
        position=0,
        waba_id=WabaId(own) if own is not None else place.waba,
        occurred_at=place.occurred_at,
        field=place.field,
        event=_first(value, ("event", "decision", "alert_type"))
        or text(child(value, "alert_info"), "alert_type", limit=64),
        display_phone_number=text(value, "display_phone_number", limit=32)
        or text(value, "phone_number", limit=32),
        messaging_limit=_first(value, _LIMIT_NAMES),
        restrictions=_restrictions(value),
        ban_state=_ban_state(child(value, "ban_info").get("waba_ban_state")),
        violation=text(child(value, "violation_info"), "violation_type", limit=64),
        volume_tier=_volume_tier(value),
    )


def _first(value: Json, names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := text(value, name, limit=64))), None)


def _restrictions(value: Json) -> tuple[Restriction, ...]:
    """`expiration` is a number in Meta's examples and text in one of its syntax blocks."""
    listed = value.get("restriction_info")
    items = [listed] if isinstance(listed, dict) else listed
    named = [
        (kind, optional_instant(item, "expiration"))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and (kind := text(item, "restriction_type", limit=64))
    ]
    return tuple(Restriction(kind=kind, expires_at=at) for kind, at in named)


def _ban_state(value: object) -> str | None:
    """One word, or a list of one."""
    words = value if isinstance(value, list) else [value]
    return next((word[:64] for word in words if isinstance(word, str)), None)


def _volume_tier(value: Json) -> VolumeTier | None:
    info = child(value, "volume_tier_info") or value
    category, tier = text(info, "pricing_category", limit=64), text(info, "tier", limit=64)
    if category is None or tier is None:
        return None
    return VolumeTier(
        category=category.lower().replace("-", "_"),
        market=text(info, "region", limit=64),
        tier=tier,
        effective_month=text(info, "effective_month", limit=16),
        reached_at=optional_instant(info, "tier_update_time"),
    )
