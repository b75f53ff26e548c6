"""Webhooks about messages and people: statuses, what people write, calls, echoes, preferences.

Sources: Meta, messages webhooks, status webhooks, business-scoped user ids, user preferences, calls
webhooks, as read on 2026-09-11.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from core.domain.consent import stop_word
from core.domain.message_state import MessageState
from core.domain.provider_errors import parse_code
from core.whatsapp.json_values import (
    Json,
    Malformed,
    as_object,
    boolean,
    child,
    identifier,
    instant,
    optional_identifier,
    optional_instant,
    text,
)
from core.whatsapp.places import Place, Reader
from core.whatsapp.updates import (
    CallStatusUpdate,
    CallUpdate,
    EchoUpdate,
    ErrorUpdate,
    GroupUpdate,
    InboundMessage,
    PreferenceUpdate,
    Pricing,
    ReportedError,
    StatusUpdate,
    UnknownPreference,
    UnknownStatus,
    Update,
    UserIdUpdate,
)

_STATES: Final = {
    "sent": MessageState.SENT,
    "delivered": MessageState.DELIVERED,
    "read": MessageState.READ,
    # A voice message was listened to, which is more than read.
    "played": MessageState.READ,
    "failed": MessageState.FAILED,
}
_MEDIA: Final = frozenset({"image", "video", "audio", "document", "sticker"})
_REFERRAL: Final = (
    "source_type",
    "source_id",
    "source_url",
    "headline",
    "body",
    "media_type",
    "ctwa_clid",
)
_BODY: Final = 4_096
_WA_ID: Final = 64
_USER_ID: Final = 160


def lists_of(field: str) -> Mapping[str, Reader] | None:
    """The lists a field's value holds and who reads their items; None: it holds no lists."""
    if field.startswith("group_"):
        return _GROUP_LISTS
    return _LISTS.get(field)


def reader_of(field: str) -> Reader | None:
    """Who reads a value that says one thing without a list; None: nobody."""
    if field.startswith("group_"):
        return _group
    return _user_id if field == "user_id_update" else None


def _status(status: Json, place: Place) -> Update:
    word = text(status, "status", limit=32)
    if not word:
        raise Malformed("status is missing or no word")
    conversation = child(status, "conversation")
    pricing = _pricing(status.get("pricing") or conversation.get("pricing"))
    recipient, user = _recipient(status)
    state = _STATES.get(word.lower())
    if state is None:
        return UnknownStatus(
            position=0,
            waba_id=place.waba,
            phone_number_id=place.number,
            wamid=identifier(status, "id"),
            word=word,
            occurred_at=instant(status, "timestamp"),
            recipient_wa_id=recipient,
            recipient_user_id=user,
            pricing=pricing,
            errors=_errors(status),
        )
    return StatusUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        wamid=identifier(status, "id"),
        word=word,
        state=state,
        occurred_at=instant(status, "timestamp"),
        callback_token=optional_identifier(status, "biz_opaque_callback_data"),
        recipient_wa_id=recipient,
        recipient_user_id=user,
        pricing=pricing,
        origin=_category(child(conversation, "origin"), "type"),
        errors=_errors(status),
    )


def _recipient(status: Json) -> tuple[str | None, str | None]:
    """Who it is about: of a message to a group the participant, not the group."""
    user = optional_identifier(status, "recipient_user_id", limit=_USER_ID)
    for name in ("recipient_participant_id", "participant_recipient_id"):
        participant = optional_identifier(status, name, limit=_WA_ID)
        if participant is not None:
            return participant, user
    if status.get("recipient_type") == "group":
        return None, user
    return optional_identifier(status, "recipient_id", limit=_WA_ID), user


def _pricing(value: object) -> Pricing | None:
    if not isinstance(value, dict):
        return None
    return Pricing(
        billable=boolean(value, "billable"),
        model=text(value, "pricing_model", limit=32),
        type=text(value, "type", limit=64),
        category=_category(value, "category"),
    )


def _category(parent: Json, name: str) -> str | None:
    """Meta writes authentication-international here and authentication_international there."""
    value = text(parent, name, limit=64)
    return None if value is None else value.lower().replace("-", "_")


def _errors(parent: Json) -> tuple[ReportedError, ...]:
    value = parent.get("errors")
    items = value if isinstance(value, list) else []
    return tuple(_error(item) for item in items if isinstance(item, dict))


def _error(item: Json) -> ReportedError:
    code = item.get("code")
    return ReportedError(
        code=parse_code(code) if isinstance(code, (int, str)) else None,
        title=text(item, "title") or text(item, "message"),
        details=text(child(item, "error_data"), "details")
        or text(item, "error_data")
        or text(item, "details"),
    )


def _trouble(item: Json, place: Place) -> Update:
    return ErrorUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.phone_number_id,
        field=place.field,
        error=_error(item),
    )


def read_inbound(message: Json, place: Place) -> InboundMessage:
    """A message of a person. Raises Malformed."""
    system = child(message, "system")
    return InboundMessage(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        wamid=identifier(message, "id"),
        kind=text(message, "type", limit=32) or "unknown",
        occurred_at=instant(message, "timestamp"),
        from_wa_id=optional_identifier(message, "from", limit=_WA_ID),
        from_user_id=optional_identifier(message, "from_user_id", limit=_USER_ID),
        reply_to_wamid=optional_identifier(child(message, "context"), "id"),
        stop_word=_stop_word(message),
        button_payload=_button_payload(message),
        from_advertisement=isinstance(message.get("referral"), dict),
        system_type=text(system, "type", limit=64),
        new_wa_id=optional_identifier(system, "wa_id", limit=_WA_ID)
        or optional_identifier(system, "new_wa_id", limit=_WA_ID),
        new_user_id=optional_identifier(system, "user_id", limit=_USER_ID)
        or optional_identifier(child(system, "user_id"), "current", limit=_USER_ID),
        target_wamid=_target(message),
        group_id=optional_identifier(message, "group_id"),
        errors=_errors(message),
        body=_body(message),
        media_id=_media(message),
        referral=_referral(message),
    )


def _body(message: Json) -> str | None:
    """What the person wrote or chose, cut at what Meta lets them write."""
    kind = text(message, "type", limit=32) or ""
    replies = child(message, "interactive")
    return (
        text(child(message, "text"), "body", limit=_BODY)
        or text(child(message, "button"), "text", limit=_BODY)
        or text(child(replies, "button_reply"), "title", limit=_BODY)
        or text(child(replies, "list_reply"), "title", limit=_BODY)
        or text(child(message, kind), "caption", limit=_BODY)
        or text(child(message, "reaction"), "emoji", limit=32)
    )


def _media(message: Json) -> str | None:
    kind = text(message, "type", limit=32)
    return optional_identifier(child(message, kind), "id", limit=64) if kind in _MEDIA else None


def _referral(message: Json) -> Mapping[str, str] | None:
    value = message.get("referral")
    if not isinstance(value, dict):
        return None
    parts = {name: text(value, name, limit=1_000) for name in _REFERRAL}
    return {name: part for name, part in parts.items() if part}


def _stop_word(message: Json) -> str | None:
    """Read from what was typed, or from the words of the button that was tapped."""
    written = (child(message, "text").get("body"), child(message, "button").get("text"))
    replies = child(message, "interactive")
    titles = (child(replies, kind).get("title") for kind in ("button_reply", "list_reply"))
    words = (stop_word(said) for said in (*written, *titles) if isinstance(said, str))
    return next((word for word in words if word is not None), None)


def _button_payload(message: Json) -> str | None:
    replies = child(message, "interactive")
    return (
        text(child(message, "button"), "payload", limit=256)
        or text(child(replies, "button_reply"), "id", limit=256)
        or text(child(replies, "list_reply"), "id", limit=256)
    )


def _target(message: Json) -> str | None:
    return (
        optional_identifier(child(message, "reaction"), "message_id")
        or optional_identifier(child(message, "edit"), "original_message_id")
        or optional_identifier(child(message, "revoke"), "original_message_id")
    )


def _preference(item: Json, place: Place) -> Update:
    word = text(item, "value", limit=16)
    if not word:
        raise Malformed("value is missing or no word")
    wa_id, user_id = _whose(item, place.person or {})
    category = text(item, "category", limit=64) or ""
    wish = word.strip().lower()
    if wish not in ("stop", "resume"):
        return UnknownPreference(
            position=0,
            waba_id=place.waba,
            phone_number_id=place.phone_number_id,
            wa_id=wa_id,
            user_id=user_id,
            category=category,
            word=word,
            occurred_at=instant(item, "timestamp"),
        )
    return PreferenceUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.phone_number_id,
        wa_id=wa_id,
        user_id=user_id,
        category=category,
        stopped=wish == "stop",
        occurred_at=instant(item, "timestamp"),
    )


def _whose(item: Json, person: Json) -> tuple[str | None, str | None]:
    """Whose preference it is: the item's own word, else the body's one person's, else a parent id.

    Raises Malformed when nobody is named.
    """
    for source in (item, person):
        wa_id = optional_identifier(source, "wa_id", limit=_WA_ID)
        user_id = optional_identifier(source, "user_id", limit=_USER_ID)
        if wa_id is not None or user_id is not None:
            return wa_id, user_id
    for source in (item, person):
        parent = optional_identifier(source, "parent_user_id", limit=_USER_ID)
        if parent is not None:
            return None, parent
    raise Malformed("neither wa_id nor user_id says whose preference it is")


def _user_id(item: Json, place: Place) -> Update:
    """A change of a person's business-scoped id: {"user_id": {"previous", "current"}, ...}."""
    ids = as_object(item.get("user_id"), "user_id")
    return UserIdUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.phone_number_id,
        wa_id=optional_identifier(item, "wa_id", limit=_WA_ID),
        previous_user_id=optional_identifier(ids, "previous", limit=_USER_ID),
        current_user_id=identifier(ids, "current", limit=_USER_ID),
        occurred_at=optional_instant(item, "timestamp") or place.occurred_at,
    )


def _call(call: Json, place: Place) -> Update:
    return CallUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        call_id=identifier(call, "id"),
        event=text(call, "event", limit=64) or text(call, "status", limit=64),
        direction=text(call, "direction", limit=64),
        occurred_at=instant(call, "timestamp"),
        from_wa_id=optional_identifier(call, "from", limit=_WA_ID),
        from_user_id=optional_identifier(call, "from_user_id", limit=_USER_ID),
        to_wa_id=optional_identifier(call, "to", limit=_WA_ID),
        to_user_id=optional_identifier(call, "to_user_id", limit=_USER_ID),
        errors=_errors(call),
    )


def _call_status(status: Json, place: Place) -> Update:
    word = text(status, "status", limit=32)
    if not word:
        raise Malformed("status is missing or no word")
    recipient, user = _recipient(status)
    return CallStatusUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        call_id=identifier(status, "id"),
        word=word,
        occurred_at=instant(status, "timestamp"),
        recipient_wa_id=recipient,
        recipient_user_id=user,
    )


def _echo(message: Json, place: Place) -> Update:
    return EchoUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        field=place.field,
        wamid=identifier(message, "id"),
        kind=text(message, "type", limit=32) or "unknown",
        occurred_at=instant(message, "timestamp"),
        from_wa_id=optional_identifier(message, "from", limit=_WA_ID),
        to_wa_id=optional_identifier(message, "to", limit=_WA_ID),
        to_user_id=optional_identifier(message, "to_user_id", limit=_USER_ID),
    )


def _group(item: Json, place: Place) -> Update:
    return GroupUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.phone_number_id,
        field=place.field,
        event=text(item, "type", limit=64) or text(item, "event", limit=64),
        group_id=optional_identifier(item, "group_id"),
        occurred_at=optional_instant(item, "timestamp") or place.occurred_at,
    )


_ERRORS: Final[Mapping[str, Reader]] = {"errors": _trouble}
_ECHOES: Final[Mapping[str, Reader]] = {"message_echoes": _echo, **_ERRORS}
_GROUP_LISTS: Final[Mapping[str, Reader]] = {"groups": _group, **_ERRORS}
_LISTS: Final[Mapping[str, Mapping[str, Reader]]] = MappingProxyType(
    {
        "messages": {"statuses": _status, "messages": read_inbound, **_ERRORS},
        # `calls` has statuses too, of calls: they must never meet a message.
        "calls": {"calls": _call, "statuses": _call_status, **_ERRORS},
        "message_echoes": _ECHOES,
        "smb_message_echoes": _ECHOES,
        "user_preferences": {"user_preferences": _preference, **_ERRORS},
        "user_id_update": {"user_id_update": _user_id, **_ERRORS},
    }
)
