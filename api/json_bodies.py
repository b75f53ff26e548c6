"""What a JSON body may be before anybody looks at its fields.

Two readers of one text must see the same: no name twice in an object, no NaN, UTF-8 and nothing
else. And it must cost little to read: nesting, lists and texts have ends far above any field's own.
"""

import json
import math
import re
from typing import Any, Final

DEEPEST: Final = 32
MOST_MEMBERS: Final = 10_000
LONGEST_TEXT: Final = 65_536
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
#: One kind of bracket is enough to count levels; that they match is the parser's business.
_ALIKE: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")


class _Refused(ValueError):
    """Why a body isn't read; the text is ours and holds nothing of the body."""


def fault_of(body: bytes) -> str | None:
    """Why a JSON body can't be taken, in words that hold nothing of it; None when it can."""
    try:
        text = body.decode()
        _check_depth(body)
        value = _DECODER.decode(text)
    except _Refused as error:
        return str(error)
    except (ValueError, RecursionError):
        return "the body isn't JSON in UTF-8"
    # A shorter body has no room for a list or a text that is too long.
    if len(body) > MOST_MEMBERS:
        try:
            _check_sizes(value)
        except _Refused as error:
            return str(error)
    return None


def _check_depth(body: bytes) -> None:
    """Before parsing, for a parser that recurses may end the process instead of the call.

    One round takes the innermost brackets away; what is left after DEEPEST rounds is deeper, or
    brackets that have no partner.
    """
    brackets = _STRINGS.sub(b"", body).translate(_ALIKE, _NO_BRACKETS)
    for _ in range(DEEPEST):
        before, brackets = len(brackets), brackets.replace(b"[]", b"")
        if len(brackets) == before:
            break
    if brackets:
        raise _Refused(f"the body is nested deeper than {DEEPEST} levels, or its brackets are odd")


def _check_sizes(value: Any) -> None:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if len(each) > LONGEST_TEXT:
                raise _Refused(f"a text has more than {LONGEST_TEXT} characters")
        elif isinstance(each, list | dict):
            if len(each) > MOST_MEMBERS:
                raise _Refused(f"a list or an object has more than {MOST_MEMBERS} members")
            waiting.extend(each.values() if isinstance(each, dict) else each)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("an object has the same name twice")
    return value


def _constant(_name: str) -> None:
    raise _Refused("NaN and Infinity aren't JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused("a number is larger than any that can be stored")
    return value


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float
)
