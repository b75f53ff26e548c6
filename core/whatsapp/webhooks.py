"""Meta's webhooks: is it from Meta, and what does it say.

The signature is checked over the raw bytes before anything reads them. The body is then taken apart
into updates, each read alone: one that breaks the shape becomes a BadUpdate and hinders no other.
Sources: Meta, webhooks overview, create a webhook endpoint, messages webhooks, business-scoped user
ids, as read on 2026-09-11.
"""

import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from core.domain.consent import stop_word
from core.domain.ids import PhoneNumberId, WabaId
from core.domain.message_state import MessageState
from core.domain.provider_errors import parse_code
from core.whatsapp import account_webhooks
from core.whatsapp.json_values import (
    Json,
    Malformed,
    as_object,
    boolean,
    child,
    identifier,
    instant,
    objects,
    optional_identifier,
    parse_json,
    text,
)
from core.whatsapp.updates import (
    BadUpdate,
    ErrorUpdate,
    InboundMessage,
    PreferenceUpdate,
    Pricing,
    ReportedError,
    StatusUpdate,
    UnknownUpdate,
    Update,
)

SIGNATURE_HEADER: Final = "X-Hub-Signature-256"
_OBJECT: Final = "whatsapp_business_account"
_SCHEME: Final = "sha256="
_HEX_LENGTH: Final = 64
_STATES: Final = {
    "sent": MessageState.SENT,
    "delivered": MessageState.DELIVERED,
    "read": MessageState.READ,
    # A voice message was listened to, which is more than read.
    "played": MessageState.READ,
    "failed": MessageState.FAILED,
}


def verify_signature(
    raw_body: bytes, header: str | bytes | None, secrets: Sequence[bytes | str]
) -> bool:
    """Whether the body carries the HMAC-SHA256 of one of the app secrets; never raises.

    `header` is the value of X-Hub-Signature-256; missing, non-ASCII or misshapen ones are refused.
    Several secrets may hold while the app's secret is rotated; empty ones never match.
    """
    given = _given_digest(header)
    if given is None:
        return False
    matches = [
        hmac.compare_digest(_digest(secret, raw_body), given) for secret in secrets if secret
    ]
    return any(matches)


def sign(raw_body: bytes, secret: bytes | str) -> str:
    """The value of X-Hub-Signature-256 for a body, as Meta computes it."""
    return _SCHEME + _digest(secret, raw_body).decode()


def _given_digest(header: str | bytes | None) -> bytes | None:
    if header is None:
        return None
    value = header.decode("latin-1") if isinstance(header, bytes) else header
    digest = value.removeprefix(_SCHEME)
    if not value.isascii() or digest == value or len(digest) != _HEX_LENGTH:
        return None
    return digest.encode("ascii")


def _digest(secret: bytes | str, raw_body: bytes) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.digest(key, raw_body, "sha256").hex().encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where in the body an update stands, and whose it is."""

    path: str
    field: str
    waba_id: WabaId | None = None
    phone_number_id: PhoneNumberId | None = None
    occurred_at: datetime | None = None

    def at(self, step: str) -> "_Place":
        return replace(self, path=f"{self.path}/{step}")

    @property
    def waba(self) -> WabaId:
        if self.waba_id is None:
            raise Malformed("entry.id is missing or not an id")
        return self.waba_id

    @property
    def number(self) -> PhoneNumberId:
        if self.phone_number_id is None:
            raise Malformed("metadata.phone_number_id is missing or not an id")
        return self.phone_number_id


_Reader = Callable[[Json, _Place], Update]


def parse_updates(raw_body: bytes) -> list[Update]:
    """All updates of one body in their order, each with its position; never raises.

    A body that isn't JSON, or isn't about a WhatsApp account, is one BadUpdate.
    """
    try:
        envelope = as_object(parse_json(raw_body), "the body")
        if envelope.get("object") != _OBJECT:
            raise Malformed("object isn't whatsapp_business_account")
        found = list(_entries(envelope))
    except Malformed as error:
        return [_bad(_Place(path="", field=""), error)]
    return [replace(update, position=position) for position, update in enumerate(found)]


def _entries(envelope: Json) -> Iterator[Update]:
    for index, item in enumerate(objects(envelope.get("entry"))):
        yield from _guarded(item, _Place(path=f"/entry/{index}", field=""), _changes)


def _changes(entry: Json, place: _Place) -> Iterator[Update]:
    waba = optional_identifier(entry, "id", limit=64)
    owned = replace(
        place,
        waba_id=None if waba is None else WabaId(waba),
        occurred_at=account_webhooks.entry_time(entry),
    )
    for index, item in enumerate(objects(entry.get("changes"))):
        yield from _guarded(item, owned.at(f"changes/{index}"), _change)


def _change(change: Json, place: _Place) -> Iterator[Update]:
    field = text(change, "field", limit=64) or ""
    value = as_object(change.get("value"), "value")
    number = optional_identifier(child(value, "metadata"), "phone_number_id", limit=64)
    inside = replace(
        place,
        field=field,
        path=f"{place.path}/value",
        phone_number_id=None if number is None else PhoneNumberId(number),
    )
    if field == "messages":
        yield from _message_lists(value, inside)
    elif field == "user_preferences":
        yield from _each(value, "user_preferences", inside, _preference)
    else:
        yield from _single(value, inside)


def _message_lists(value: Json, place: _Place) -> Iterator[Update]:
    lists: tuple[tuple[str, _Reader], ...] = (
        ("statuses", _status),
        ("messages", _inbound),
        ("errors", _trouble),
    )
    for name, reader in lists:
        yield from _each(value, name, place, reader)
    if not any(name in value for name, _ in lists):
        yield _unknown(place, "messages without statuses, messages or errors")


def _single(value: Json, place: _Place) -> Iterator[Update]:
    read = account_webhooks.reader_of(place.field)
    if read is None:
        yield _unknown(place, "field")
        return
    try:
        yield read(value, place.waba, place.occurred_at, place.field)
    except Malformed as error:
        yield _bad(place, error)


def _guarded(
    item: object, place: _Place, read: Callable[[Json, _Place], Iterator[Update]]
) -> Iterator[Update]:
    """What `read` yields, and one BadUpdate where it stops."""
    try:
        yield from read(as_object(item, "item"), place)
    except Malformed as error:
        yield _bad(place, error)


def _each(value: Json, name: str, place: _Place, read: _Reader) -> Iterator[Update]:
    """One update for every item of a list, a BadUpdate for those that can't be read."""
    try:
        items = objects(value.get(name))
    except Malformed as error:
        yield _bad(place.at(name), error)
        return
    for index, item in enumerate(items):
        try:
            yield read(as_object(item, "item"), place)
        except Malformed as error:
            yield _bad(place.at(f"{name}/{index}"), error)


def _status(status: Json, place: _Place) -> Update:
    word = text(status, "status", limit=32) or ""
    state = _STATES.get(word)
    if state is None:
        return _unknown(place, "status")
    conversation = child(status, "conversation")
    return StatusUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        wamid=identifier(status, "id"),
        state=state,
        occurred_at=instant(status, "timestamp"),
        callback_token=optional_identifier(status, "biz_opaque_callback_data"),
        recipient_wa_id=optional_identifier(status, "recipient_id", limit=64),
        recipient_user_id=optional_identifier(status, "recipient_user_id", limit=160),
        pricing=_pricing(status.get("pricing") or conversation.get("pricing")),
        origin=_category(child(conversation, "origin"), "type"),
        errors=_errors(status),
    )


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


def _trouble(item: Json, place: _Place) -> Update:
    return ErrorUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.phone_number_id,
        error=_error(item),
    )


def _inbound(message: Json, place: _Place) -> Update:
    system = child(message, "system")
    return InboundMessage(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.number,
        wamid=identifier(message, "id"),
        kind=text(message, "type", limit=32) or "unknown",
        occurred_at=instant(message, "timestamp"),
        from_wa_id=optional_identifier(message, "from", limit=64),
        from_user_id=optional_identifier(message, "from_user_id", limit=160),
        reply_to_wamid=optional_identifier(child(message, "context"), "id"),
        stop_word=_stop_word(message),
        button_payload=_button_payload(message),
        from_advertisement=isinstance(message.get("referral"), dict),
        system_type=text(system, "type", limit=64),
        new_wa_id=optional_identifier(system, "wa_id", limit=64),
        new_user_id=optional_identifier(system, "user_id", limit=160),
    )


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


def _preference(item: Json, place: _Place) -> Update:
    wanted = text(item, "value", limit=16)
    if wanted not in ("stop", "resume"):
        return _unknown(place, "user_preferences.value")
    wa_id = optional_identifier(item, "wa_id", limit=64)
    user_id = optional_identifier(item, "user_id", limit=160)
    if wa_id is None and user_id is None:
        raise Malformed("neither wa_id nor user_id says whose preference it is")
    return PreferenceUpdate(
        position=0,
        waba_id=place.waba,
        phone_number_id=place.phone_number_id,
        wa_id=wa_id,
        user_id=user_id,
        category=text(item, "category", limit=64) or "",
        stopped=wanted == "stop",
        occurred_at=instant(item, "timestamp"),
    )


def _unknown(place: _Place, what: str) -> UnknownUpdate:
    return UnknownUpdate(position=0, waba_id=place.waba_id, field=place.field, what=what)


def _bad(place: _Place, error: Malformed) -> BadUpdate:
    return BadUpdate(position=0, path=place.path, reason=str(error))
