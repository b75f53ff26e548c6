"""How long Meta asks us to wait, from the headers of a refusal.

`Retry-After` (seconds) is honoured wherever it is sent, though Meta documents none for WhatsApp. Of
the limits on calls (4, 17, 613, 80007) the header `X-Business-Use-Case-Usage` tells the minutes
until calls are taken again: `{"<id>": [{"estimated_time_to_regain_access": 12, ...}]}` (Meta, Graph
API, rate limits, as read on 2026-09-11).
"""

from collections.abc import Mapping
from typing import Final

from core.whatsapp.json_values import Malformed, parse_json

USAGE_HEADER: Final = "X-Business-Use-Case-Usage"
_CALL_LIMITS: Final = frozenset({4, 17, 613, 80007})
#: A number that rests longer is somebody's decision, not a header's.
_LONGEST_MINUTES: Final = 24 * 60
_LONGEST_HEADER: Final = 8_192


def asked_wait(headers: Mapping[str, str], code: int | None) -> int | None:
    """Seconds that a refusal with this code asks us to wait, None when it asks for none.

    The longer of both headers counts. Anything in them that can't be read asks for nothing.
    """
    waits = [_retry_after(headers.get("Retry-After"))]
    if code in _CALL_LIMITS:
        waits.append(_regained_after(headers.get(USAGE_HEADER)))
    return max((wait for wait in waits if wait is not None), default=None)


def _retry_after(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 7 else None


def _regained_after(value: str | None) -> int | None:
    if not value or len(value) > _LONGEST_HEADER:
        return None
    try:
        usage = parse_json(value.encode("utf-8", "replace"))
    except Malformed:
        return None
    uses = [
        use.get("estimated_time_to_regain_access")
        for uses in (usage.values() if isinstance(usage, dict) else ())
        if isinstance(uses, list)
        for use in uses
        if isinstance(use, dict)
    ]
    minutes = [use for use in uses if isinstance(use, int) and not isinstance(use, bool)]
    longest = max(minutes, default=0)
    return min(longest, _LONGEST_MINUTES) * 60 if longest > 0 else None
