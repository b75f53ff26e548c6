"""Meta's webhooks: is it from Meta, and what does it say.

The signature is checked over the raw bytes before anything reads them. The body is then taken apart
into updates, each read alone: one that breaks the shape becomes a BadUpdate and hinders no other.
Sources: Meta, webhooks overview, create a webhook endpoint, messages webhooks, business-scoped user
ids, as read on 2026-09-11.
"""

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from core.domain.ids import PhoneNumberId, WabaId
from core.whatsapp import account_webhooks, history_webhooks, message_webhooks
from core.whatsapp.json_values import (
    Json,
    Malformed,
    as_object,
    child,
    objects,
    optional_identifier,
    optional_instant,
    parse_json,
    text,
)
from core.whatsapp.places import Place, Reader, bad, unknown
from core.whatsapp.updates import Update

SIGNATURE_HEADER: Final = "X-Hub-Signature-256"
_OBJECT: Final = "whatsapp_business_account"
_SCHEME: Final = "sha256="
_HEX_LENGTH: Final = 64


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


def parse_updates(raw_body: bytes) -> list[Update]:
    """All updates of one body in the order they stand there, each with its position; never raises.

    A body that isn't JSON, or isn't about a WhatsApp account, is one BadUpdate.
    """
    try:
        return read_envelope(parse_json(raw_body))
    except Malformed as error:
        return [bad(Place(path=""), error)]


def read_envelope(body: object) -> list[Update]:
    """The updates of a body that was parsed already; never raises."""
    try:
        envelope = as_object(body, "the body")
        if envelope.get("object") != _OBJECT:
            raise Malformed("object isn't whatsapp_business_account")
        entries = _required_list(envelope, "entry")
    except Malformed as error:
        return [bad(Place(path=""), error)]
    found = [
        update
        for index, item in enumerate(entries)
        for update in _guarded(item, Place(path=f"/entry/{index}"), _changes)
    ]
    for position, update in enumerate(found):
        # Frozen for everybody else: nobody has seen it yet, and a copy costs 4 us.
        object.__setattr__(update, "position", position)
    return found


def _changes(entry: Json, place: Place) -> Iterator[Update]:
    waba = optional_identifier(entry, "id", limit=64)
    owned = replace(
        place,
        waba_id=None if waba is None else WabaId(waba),
        # There for templates and accounts, usually absent for messages.
        occurred_at=optional_instant(entry, "time"),
    )
    try:
        changes = _required_list(entry, "changes")
    except Malformed as error:
        yield bad(owned, error)
        return
    for index, item in enumerate(changes):
        yield from _guarded(item, owned.at(f"changes/{index}"), _change)


def _change(change: Json, place: Place) -> Iterator[Update]:
    named = replace(place, field=text(change, "field", limit=64) or "")
    yield from _guarded(change.get("value"), named.at("value"), _value)


def _value(value: Json, place: Place) -> Iterator[Update]:
    number = optional_identifier(child(value, "metadata"), "phone_number_id", limit=64)
    inside = replace(place, phone_number_id=None if number is None else PhoneNumberId(number))
    if inside.field == "user_preferences":
        inside = replace(inside, person=_only_person(value))
    lists = message_webhooks.lists_of(inside.field)
    if lists is not None and any(name in value for name in lists):
        yield from _lists(value, inside, lists)
        return
    reader = (
        account_webhooks.reader_of(inside.field)
        or message_webhooks.reader_of(inside.field)
        or history_webhooks.reader_of(inside.field)
    )
    if reader is None:
        yield unknown(inside, "field" if lists is None else f"none of {', '.join(lists)}")
        return
    yield from _guarded_one(value, inside, reader)


def _only_person(value: Json) -> Json | None:
    """The one in `contacts`; None for nobody, and for several: nothing says which."""
    people = value.get("contacts")
    if isinstance(people, list):
        people = people[0] if len(people) == 1 else None
    return people if isinstance(people, dict) else None


def _lists(value: Json, place: Place, readers: Mapping[str, Reader]) -> Iterator[Update]:
    """The lists in the order in which they stand in the value."""
    for name, listed in value.items():
        reader = readers.get(name)
        if reader is None:
            continue
        if isinstance(listed, dict):
            listed = [listed]  # noqa: PLW2901 - one item without its list is an item all the same
        try:
            items = objects(listed)
        except Malformed as error:
            yield bad(place.at(name), error)
            continue
        for index, item in enumerate(items):
            yield from _guarded_one(item, place, reader, f"{name}/{index}")


def _guarded(
    item: object, place: Place, read: Callable[[Json, Place], Iterator[Update]]
) -> Iterator[Update]:
    """What `read` yields, and one BadUpdate where it stops."""
    try:
        yield from read(as_object(item, _step(place)), place)
    except Malformed as error:
        yield bad(place, error)


def _guarded_one(
    item: object, place: Place, read: Reader, step: str | None = None
) -> Iterator[Update]:
    """One update: what `read` makes of the item, or a BadUpdate."""
    try:
        yield read(as_object(item, "the item"), place)
    except Malformed as error:
        yield bad(place if step is None else place.at(step), error)


def _required_list(parent: Json, name: str) -> list[object]:
    if parent.get(name) is None:
        raise Malformed(f"{name} is missing")
    return objects(parent[name])


def _step(place: Place) -> str:
    """The last step of the way to a place that has a name: `entry` of /entry/0."""
    return next(step for step in reversed(place.path.split("/")) if not step.isdigit())
