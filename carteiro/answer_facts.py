"""What our own client reads out of Meta's answer to a send, as flat facts for people and scripts.

`core.whatsapp.client` reads it, as it does live, and the error atlas says what we would do. A key
that doesn't apply is absent, never null.
"""

from collections.abc import Iterator

import orjson

from carteiro.webhook_facts import Facts, Given, without_absent
from core.domain.provider_errors import ErrorAction, classify
from core.errors import MetaError, MetaUnreachable
from core.whatsapp.client import read_send_answer


def explain_answer(value: object, http_status: int | None = None) -> Iterator[Facts]:
    """What the worker would make of recorded answers to sends.

    An answer alone, one recorded as {status, headers, body}, or a list of either.
    """
    if isinstance(value, list):
        for item in value:
            yield from explain_answer(item, http_status)
        return
    status, raw = _recorded(value)
    yield explain_raw_answer(raw, status if status is not None else http_status)


def explain_raw_answer(raw: bytes, http_status: int | None = None) -> Facts:
    """The same of the bytes of one answer, which may be no JSON."""
    # Without a status the body decides: the reader asks only whether it was a success.
    status = http_status if http_status is not None else 200
    facts: dict[str, Given] = {}
    try:
        accepted = read_send_answer(raw, http_status=status)
    except MetaError as error:
        facts = {
            "code": error.meta_code,
            "subcode": error.subcode,
            "action": classify(error.meta_code, http_status).action.value,
            "reason": error.title,
        }
    except MetaUnreachable as unreachable:
        if _is_success(raw, status):
            return without_absent({"kind": "api_ok", "http": http_status})
        # Nobody knows how far the request got: the worker never repeats it blindly.
        facts = {"action": ErrorAction.IN_DOUBT.value, "reason": str(unreachable)}
    else:
        told = _tells_status(raw)
        return without_absent(
            {
                "kind": "api_ok",
                "http": http_status,
                "wamid": accepted.wamid,
                "recipient": accepted.wa_id or accepted.user_id,
                "message_status": accepted.message_status if told else None,
            }
        )
    return without_absent({"kind": "api_error", "http": http_status, **facts})


def _recorded(value: object) -> tuple[int | None, bytes]:
    """The status and the body's bytes of {status, headers, body}; else the value itself."""
    if isinstance(value, dict) and "body" in value and "error" not in value:
        named = (value.get(name) for name in ("status", "http_status", "status_code", "code"))
        status = next((int(str(found)) for found in named if _is_status(found)), None)
        body = value["body"]
        raw = body.encode("utf-8", "replace") if isinstance(body, str) else _dump(body)
        return status, raw
    return None, _dump(value)


def _is_status(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return False
    return str(value).isascii() and str(value).isdigit() and 100 <= int(value) <= 599


def _dump(value: object) -> bytes:
    return b"" if value is None else orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def _is_success(raw: bytes, status: int) -> bool:
    """The answer to a read receipt: accepted, and there is no message."""
    if not 200 <= status < 300:
        return False
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and body.get("success") is True


def _tells_status(raw: bytes) -> bool:
    return b'"message_status"' in raw
