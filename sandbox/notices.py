"""Webhooks on demand: account, alerts, calls, groups, identities, errors, unknown ones.

Shapes follow Meta's webhook reference as of September 2026.
"""

from collections.abc import Callable, Mapping
from typing import Final

from sandbox.payloads import Update, number_metadata, webhook_error
from sandbox.world import Number, World

Json = dict[str, object]

_RESTRICTED: Final[Json] = {
    "restriction_info": [
        {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 1_800_000_000}
    ]
}
_ACCOUNT_EVENTS: Final[Mapping[str, Json]] = {
    "ACCOUNT_DELETED": {},
    "ACCOUNT_OFFBOARDED": {},
    "ACCOUNT_RECONNECTED": {},
    "ACCOUNT_RESTRICTION": _RESTRICTED,
    "ACCOUNT_VIOLATION": {"violation_info": {"violation_type": "SPAM"}},
    "AD_ACCOUNT_LINKED": {"ad_account_info": {"ad_account_linked": "act_1"}},
    "AUTH_INTL_PRICE_ELIGIBILITY_UPDATE": {
        "auth_international_rate_eligibility": {
            "exception_countries": [{"country_code": "IN", "start_time": 1_764_547_200}],
            "start_time": 1_764_547_200,
        }
    },
    "BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE": {"country": "BR"},
    "DISABLED_UPDATE": {
        "ban_info": {"waba_ban_state": ["SCHEDULE_FOR_DISABLE"], "waba_ban_date": "April 1, 2027"}
    },
    "MM_LITE_TERMS_SIGNED": {},
    "PARTNER_ADDED": {},
    "PARTNER_APP_INSTALLED": {},
    "PARTNER_APP_UNINSTALLED": {},
    "PARTNER_CLIENT_CERTIFICATION_STATUS_UPDATE": {
        "partner_client_certification_info": {"status": "APPROVED"}
    },
    "PARTNER_REMOVED": {},
    "UTILITY_TEMPLATE_ABUSE": {"violation_info": {"violation_type": "UTILITY_TEMPLATE_ABUSE"}},
    "UTILITY_TEMPLATE_ABUSE_RATE_LIMIT": {
        "violation_info": {"violation_type": "UTILITY_TEMPLATE_ABUSE_RATE_LIMIT"},
        "restriction_info": [
            {
                "restriction_type": "RATE_LIMITED_UTILITY_TEMPLATE_MESSAGING",
                "expiration": 1_800_000_000,
            }
        ],
    },
    "VOLUME_BASED_PRICING_TIER_UPDATE": {
        "volume_tier_info": {
            "tier_update_time": 1_793_491_200,
            "pricing_category": "UTILITY",
            "tier": "100001:200000",
            "effective_month": "2026-11",
            "region": "BR",
        }
    },
}
_VIOLATIONS: Final = frozenset({"UTILITY_TEMPLATE_ABUSE", "UTILITY_TEMPLATE_ABUSE_RATE_LIMIT"})


def notice(
    world: World, number: Number, kind: str, override: Mapping[str, object]
) -> Update | None:
    """The webhook called `kind` with some keys of its value replaced; None for an unknown kind."""
    if kind in _ACCOUNT_EVENTS:
        field, value = "account_update", _account_value(number, kind)
    else:
        maker = _NOTICES.get(kind)
        if maker is None:
            return None
        field, value = maker(world, number)
    entry = number.waba.id
    if kind.startswith("PARTNER_"):
        entry = number.waba.config.portfolio_id
    with_time = field not in _WITHOUT_TIME
    return Update(entry, field, {**value, **override}, with_time=with_time, number_id=number.id)


def notice_names() -> list[str]:
    """Every kind of webhook that can be had on demand."""
    return sorted({*_ACCOUNT_EVENTS, *_NOTICES})


def _account_value(number: Number, kind: str) -> Json:
    event = "ACCOUNT_VIOLATION" if kind in _VIOLATIONS else kind
    value: Json = {"event": event, **_ACCOUNT_EVENTS[kind]}
    if kind.startswith("PARTNER_"):
        owner = number.waba.config.portfolio_id
        value["waba_info"] = {"waba_id": number.waba.id, "owner_business_id": owner}
    else:
        value["phone_number"] = number.digits
    return value


_Made = tuple[str, Json]


def _fixed(field: str, value: Json) -> Callable[[World, Number], _Made]:
    return lambda _world, _number: (field, dict(value))


def _with_metadata(field: str, value: Json) -> Callable[[World, Number], _Made]:
    def make(world: World, number: Number) -> _Made:
        del world
        head: Json = {"messaging_product": "whatsapp", "metadata": number_metadata(number)}
        return field, {**head, **value}

    return make


def _status(status: str, **facts: object) -> Callable[[World, Number], _Made]:
    def make(world: World, number: Number) -> _Made:
        told: Json = {
            "id": "wamid.unknown",
            "status": status,
            "timestamp": str(world.clock.now_ms() // 1000),
            "recipient_id": "5511955550123",
            **facts,
        }
        return _with_metadata("messages", {"statuses": [told]})(world, number)

    return make


def _user_id_update(world: World, number: Number) -> _Made:
    portfolio, phone = number.waba.config.portfolio_id, "5511955550123"
    previous = world.bsuid(portfolio, phone, "BR")
    current = world.bsuid(portfolio, "5511955550188", "BR")
    update = {"wa_id": phone, "user_id": {"previous": previous, "current": current}}
    return _with_metadata("user_id_update", {"user_id_update": [update]})(world, number)


_NOTICES: Final[Mapping[str, Callable[[World, Number], _Made]]] = {
    "account_alerts": _fixed(
        "account_alerts",
        {
            "entity_type": "PHONE_NUMBER",
            "alert_severity": "INFORMATIONAL",
            "alert_status": "NONE",
            "alert_type": "INCREASED_CAPABILITIES_ELIGIBILITY_NEED_MORE_INFO",
            "alert_description": "More information is needed",
        },
    ),
    "account_review_update": _fixed("account_review_update", {"decision": "APPROVED"}),
    "phone_number_name_update": lambda _world, number: (
        "phone_number_name_update",
        {
            "display_phone_number": number.digits,
            "decision": "APPROVED",
            "requested_verified_name": number.config.verified_name,
            "rejection_reason": None,
        },
    ),
    "security": lambda _world, number: (
        "security",
        {"display_phone_number": number.digits, "event": "PIN_CHANGED", "requester": "1"},
    ),
    "errors": _with_metadata("messages", {"errors": [webhook_error(130429)]}),
    "played": _status("played"),
    "deleted": _status("deleted"),
    "warning": _status("warning"),
    "unknown_status": _status("teleported"),
    "group_status": _status(
        "delivered",
        recipient_type="group",
        recipient_id="120363000000000001",
        recipient_participant_id="5511955550123",
    ),
    "call_status": _with_metadata(
        "calls",
        {
            "statuses": [
                {
                    "id": "wacid.HBgLMTIxODU1NTI4MjgVAgARGCA",
                    "type": "call",
                    "status": "RINGING",
                    "timestamp": "1793491200",
                    "recipient_id": "5511955550123",
                }
            ]
        },
    ),
    "call_connect": _with_metadata(
        "calls",
        {
            "calls": [
                {
                    "id": "wacid.HBgLMTIxODU1NTI4MjgVAgARGCB",
                    "from": "5511955550123",
                    "to": "5511955500101",
                    "event": "connect",
                    "direction": "USER_INITIATED",
                    "timestamp": "1793491200",
                }
            ]
        },
    ),
    "group_lifecycle_update": _with_metadata(
        "group_lifecycle_update",
        {"groups": [{"type": "group_create", "group_id": "120363000000000001", "subject": "VIP"}]},
    ),
    "user_id_update": _user_id_update,
    "unknown_field": _fixed("telepathy_update", {"thought": "🌟", "level": 3}),
}
_WITHOUT_TIME: Final = frozenset({"messages", "calls", "user_id_update", "group_lifecycle_update"})
