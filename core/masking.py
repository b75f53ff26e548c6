"""What may leave the process in a log: known keys, and text without people or secrets in it.

Two nets, one behind the other. Keys not on the list are dropped, whatever they hold. What remains
is searched for what looks like a phone, an address, a token, a password. A name can't be told by
its looks: that is why values of unknown keys and the texts of foreign exceptions aren't trusted.
"""

import re
import traceback
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from core.errors import CarteiroError

_KEYS_BY_SUBJECT: Final = {
    "the logger itself": "event timestamp level logger component pid exception dropped_keys",
    "our ids, random and without personal data": """
        tenant_id campaign_id message_id template_id export_id import_id invoice_id user_id
        session_id api_key_id api_key_prefix contact_id list_id ticket_id body_id run_id request_id
        lease_id phone_number_id waba_id attempt_no""",
    "what happened": """
        action actor code meta_code subcode error_code fbtrace_id http_status status state
        from_state to_state conflict reason retry retryable scope outcome exit_code signal
        problem""",
    "where": """
        part process worker queue exchange method route asset partition table schema role database
        file line function host port version model check field kind category market currency
        environment transport""",
    "how much and how long": """
        count rows bytes size attempt tries planned excluded queued sent accepted failed delivered
        updates duplicates orphans quarantined tickets messages connections seconds milliseconds
        duration_ms wait_seconds lag_seconds rate per_second limit memory_bytes started_at
        ended_at window_start window_end due_at expected found difference checksum audit_head""",
}
ALLOWED_KEYS: Final = frozenset(key for keys in _KEYS_BY_SUBJECT.values() for key in keys.split())
"""The keys a log line may have. To add one, be sure that no value of it is about a person."""
_PLAIN_NUMBER_KEYS: Final = frozenset(
    {"bytes", "memory_bytes", "size", "rows", "count", "body_id", "duration_ms", "milliseconds"}
)
_META_ID_KEYS: Final = frozenset({"phone_number_id", "waba_id"})
_META_ID: Final = re.compile(r"\d{14,20}", re.ASCII)
# A copy of a chain's head is of use only whole: its place, and a digest of everything before it.
_AUDIT_HEAD: Final = re.compile(r"\d{1,19}:[0-9a-f]{64}", re.ASCII)
_MAX_TEXT: Final = 2_000
_MAX_SEARCHED: Final = 20_000
_MAX_ITEMS: Final = 50
_MAX_DEPTH: Final = 4
_MAX_FRAMES: Final = 12
_MAX_CAUSES: Final = 4
_HIDDEN: Final = "***"

_SECRETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"wamid\.[\w+/=-]+"), "wamid.***"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[^\s\"',;]+"), r"\1 ***"),
    (
        re.compile(
            r"(?i)([\w.-]{0,40}(?:token|secret|passw(?:or)?d|pwd|pin|api[_-]?key|authorization|signature)"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s&,;\"')}\]]+)"
        ),
        r"\1***",
    ),
    (re.compile(r"(://[^\s:/@]*):[^\s/]*@"), r"\1:***@"),
    (re.compile(r"\bEAA[A-Za-z0-9]{8,}"), _HIDDEN),
    (re.compile(r"\b(ctr_live_[A-Za-z0-9]{1,8})_[A-Za-z0-9]+"), r"\1_***"),
    (re.compile(r"\b(ctr_(?:invite|refresh))_[\w.-]+"), r"\1_***"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"), _HIDDEN),
    (re.compile(r"\bc1\.[\w-]+\.[\w-]+"), "c1.***"),
    (re.compile(r"[\w.%+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64})+"), "***@***"),
)
# Phones and CPFs are runs of 8 or more digits with little between them. UUIDs and instants are such
# runs too, and are worth keeping: they are matched first and put back.
_DIGITS: Final = re.compile(
    r"(?P<keep>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"
    r"|\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d))"
    r"|(?:\+\s*)?\(?\d(?:[\s().\u2010-\u2015\u00a0/-]{0,3}\d){7,}"
)
# Most texts are a few small words; they can't hold anything the patterns above look for.
_HARMLESS: Final = re.compile(r"(?!.*\b(?:bearer|basic)\b)[a-z_ ]*")
_MAX_HARMLESS: Final = 80
_QUOTED: Final = re.compile(r"\"[^\"]*\"|'[^']*'|\([^()]*\)=\([^()]*\)")
_CONSTRAINT_LIKE: Final = re.compile(r"[\"'][a-z0-9]+(?:_[a-z0-9]+)+[\"']")


def mask_text(text: str) -> str:
    """The text without phones, ids of messages, addresses, tokens and passwords; cut at 2,000."""
    if len(text) <= _MAX_HARMLESS and _HARMLESS.fullmatch(text):
        return text
    # The final cut comes after masking: a piece of a token doesn't look like one. The first only
    # bounds the work, for texts may come from outside.
    text = text[:_MAX_SEARCHED]
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    text = _DIGITS.sub(lambda match: match["keep"] or _HIDDEN, text)
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def mask_event(event: Mapping[str, object]) -> dict[str, object]:
    """A log event with known keys only and masked values; `dropped_keys` counts the others."""
    kept = {
        key: _mask_value(key, value, depth=0) for key, value in event.items() if key in ALLOWED_KEYS
    }
    dropped = len(event) - len(kept)
    if dropped:
        kept["dropped_keys"] = dropped
    return kept


def describe_exception(error: BaseException) -> str:
    """Type, place and masked text of an exception and its causes; no values of variables.

    Texts of foreign exceptions are cut to their first line without quoted parts, because drivers
    quote the row that was refused.
    """
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < _MAX_CAUSES:
        frames = traceback.extract_tb(current.__traceback__)[-_MAX_FRAMES:]
        places = " < ".join(
            f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in reversed(frames)
        )
        parts.append(f"{type(current).__name__}: {_exception_text(current)} [{places}]")
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return " <- ".join(parts)


def _mask_value(key: str, value: object, *, depth: int) -> object:
    match value:
        case None | bool():
            masked: object = value
        case int() | float():
            masked = _mask_number(key, value)
        case str():
            masked = str(value) if _is_whole(key, value) else mask_text(value)
        case UUID() | Decimal():
            masked = mask_text(str(value))
        case datetime() | date():
            masked = value.isoformat()
        case timedelta():
            masked = value.total_seconds()
        case _:
            masked = _mask_container(key, value, depth=depth)
    return masked


def _is_whole(key: str, value: str) -> bool:
    """Whether a text is of a form that can't hold anything about a person, under its own key."""
    if key == "audit_head":
        return _AUDIT_HEAD.fullmatch(value) is not None
    return key in _META_ID_KEYS and _META_ID.fullmatch(value) is not None


def _mask_number(key: str, value: int | float) -> object:
    is_meta_id = key in _META_ID_KEYS and _META_ID.fullmatch(str(value))
    is_plain = key in _PLAIN_NUMBER_KEYS or is_meta_id
    # Phones have 8 digits and more; so does a float that was made of one.
    return value if is_plain or abs(value) < 10_000_000 else _HIDDEN


def _mask_container(key: str, value: object, *, depth: int) -> object:
    if depth >= _MAX_DEPTH:
        return _HIDDEN
    if isinstance(value, Mapping):
        return {
            name: _mask_value(name, item, depth=depth + 1)
            for name, item in list(value.items())[:_MAX_ITEMS]
            if isinstance(name, str) and name in ALLOWED_KEYS
        }
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_mask_value(key, item, depth=depth + 1) for item in list(value)[:_MAX_ITEMS]]
    # The text of an unknown object may hold anything; its type can't.
    return f"<{type(value).__name__}>"


def _exception_text(error: BaseException) -> str:
    if isinstance(error, CarteiroError):
        return mask_text(error.detail)
    first_line = str(error).partition("\n")[0]
    return mask_text(_QUOTED.sub(_hide_unless_constraint, first_line))


def _hide_unless_constraint(match: re.Match[str]) -> str:
    return match[0] if _CONSTRAINT_LIKE.fullmatch(match[0]) else _HIDDEN


def _short(filename: str) -> str:
    return "/".join(filename.split("/")[-2:])
