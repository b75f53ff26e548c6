"""Webhooks about templates, accounts and numbers: one update a change, none about a message."""

from collections.abc import Callable
from datetime import datetime
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
from core.whatsapp.updates import (
    AccountUpdate,
    TemplateChange,
    TemplateUpdate,
    Update,
    VolumeTier,
)

Reader = Callable[[Json, WabaId, datetime | None, str], Update]

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
        "security",
    }
)
_LIMIT_NAMES: Final = (
    "max_daily_conversations_per_business",
    "max_daily_conversation_per_phone",
    "current_limit",
)


def reader_of(field: str) -> Reader | None:
    """The function that reads a field's value, None for fields unknown to this version."""
    if field in _TEMPLATE_FIELDS:
        return _template
    return _account if field in _ACCOUNT_FIELDS else None


def entry_time(entry: Json) -> datetime | None:
    """When the entry was made; there for templates and accounts, usually absent for messages."""
    return optional_instant(entry, "time")


def _template(value: Json, waba_id: WabaId, at: datetime | None, field: str) -> Update:
    change = _TEMPLATE_FIELDS[field]
    now, later = _categories(value)
    language = text(value, "message_template_language", limit=32)
    return TemplateUpdate(
        position=0,
        waba_id=waba_id,
        occurred_at=at,
        change=change,
        meta_template_id=identifier(value, "message_template_id", limit=64),
        name=text(value, "message_template_name"),
        # The webhook writes en-US, the API en_US.
        language=None if language is None else language.replace("-", "_"),
        event=_template_event(value, change),
        reason=text(value, "reason", limit=64),
        category_now=now,
        category_next=later,
        category_next_at=optional_instant(value, "category_update_timestamp"),
    )


def _template_event(value: Json, change: TemplateChange) -> str | None:
    name = "new_quality_score" if change is TemplateChange.QUALITY else "event"
    return text(value, name, limit=64)


def _categories(value: Json) -> tuple[str | None, str | None]:
    """The category now and the announced one.

    Both forms of the category update carry `new_category`: in the notice it is the category that
    still holds, and `correct_category` is the coming one; in the done form it is the new one.
    """
    current = text(value, "new_category", limit=32) or text(
        value, "message_template_category", limit=32
    )
    coming = text(value, "correct_category", limit=32)
    return (
        None if current is None else current.lower(),
        None if coming is None else coming.lower(),
    )


def _account(value: Json, waba_id: WabaId, at: datetime | None, field: str) -> Update:
    # For PARTNER_* events the entry's id is the business portfolio's, not the account's.
    own = optional_identifier(child(value, "waba_info"), "waba_id", limit=64)
    return AccountUpdate(
        position=0,
        waba_id=WabaId(own) if own is not None else waba_id,
        occurred_at=at,
        field=field,
        event=text(value, "event", limit=64) or text(value, "decision", limit=64),
        display_phone_number=text(value, "display_phone_number", limit=32)
        or text(value, "phone_number", limit=32),
        messaging_limit=_first(value, _LIMIT_NAMES),
        restrictions=_restrictions(value),
        violation=text(child(value, "violation_info"), "violation_type", limit=64),
        volume_tier=_volume_tier(value),
    )


def _first(value: Json, names: tuple[str, ...]) -> str | None:
    return next((found for name in names if (found := text(value, name, limit=32))), None)


def _restrictions(value: Json) -> tuple[str, ...]:
    listed = value.get("restriction_info")
    items = listed if isinstance(listed, list) else []
    kinds = (text(item, "restriction_type", limit=64) for item in items if isinstance(item, dict))
    return tuple(kind for kind in kinds if kind)


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
