"""Reading JSON from outside without trusting any of it: each reader returns the type it names.

Readers of required values raise Malformed with a reason that quotes nothing of the value.
"""

import json
from datetime import UTC, datetime
from typing import Final

import orjson

Json = dict[str, object]

_MAX_INTEGER_DIGITS: Final = 20
_LATEST_SECONDS: Final = 4_102_444_800  # 2100-01-01; milliseconds end up far beyond it


class Malformed(ValueError):
    """A value isn't what Meta documents; the text names the field."""


def parse_json(raw: bytes, *, strict: bool = False) -> object:
    """The value of a JSON text. Raises Malformed.

    orjson refuses lone surrogates, which a profile name may hold, and with them would fall a
    thousand good neighbours; the standard library reads them. For the same reason bytes that are no
    UTF-8 become replacement characters, and NaN becomes null, unless `strict`.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(
            raw.decode("utf-8", "strict" if strict else "replace"),
            parse_int=_bounded_integer,
            parse_constant=_refuse_constant if strict else _drop_constant,
        )
    except RecursionError:
        raise Malformed("the body is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise Malformed(f"the body isn't JSON: no UTF-8 at byte {error.start}") from None
    except ValueError:
        raise Malformed("the body isn't JSON") from None


def _refuse_constant(name: str) -> None:
    """Python reads NaN and Infinity; JSON has neither."""
    raise ValueError(name)


def _drop_constant(_name: str) -> None:
    return None


def _bounded_integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else digits


def as_object(value: object, name: str) -> Json:
    """A JSON object. Raises Malformed."""
    if not isinstance(value, dict):
        raise Malformed(f"{name} is not an object")
    return value


def objects(value: object) -> list[object]:
    """The items of a list; an absent or null list is empty. Raises Malformed for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed("a list was expected")
    return value


def child(parent: Json, name: str) -> Json:
    """An optional object: empty when it is absent or something else."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def identifier(parent: Json, name: str, *, limit: int = 512) -> str:
    """A required id: a number, or text without blanks and control characters. Raises Malformed."""
    found = optional_identifier(parent, name, limit=limit)
    if found is None:
        raise Malformed(f"{name} is missing or not an id")
    return found


def optional_identifier(parent: Json, name: str, *, limit: int = 512) -> str | None:
    """An id, or None when it is absent or unusable."""
    value = parent.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        return None
    return value if value.isascii() and value.isprintable() and " " not in value else None


def text(parent: Json, name: str, *, limit: int = 500) -> str | None:
    """Optional text that PostgreSQL can hold: no NUL, no lone surrogate, cut at `limit`."""
    value = parent.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    clean = value[:limit].replace("\x00", "")
    # What is ASCII has no surrogate: nearly everything, and ten times as fast to tell.
    return clean if clean.isascii() else clean.encode("utf-8", "replace").decode("utf-8")


def boolean(parent: Json, name: str) -> bool | None:
    """A truth value, or None when it is absent or something else."""
    value = parent.get(name)
    return value if isinstance(value, bool) else None


def instant(parent: Json, name: str) -> datetime:
    """A required instant: seconds since 1970, as number or text. Raises Malformed."""
    found = optional_instant(parent, name)
    if found is None:
        raise Malformed(f"{name} is missing or no time")
    return found


def optional_instant(parent: Json, name: str) -> datetime | None:
    """An instant between 1970 and 2100, or None; what is too old to be true, its reader judges."""
    value = parent.get(name)
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) <= 12 else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not 0 <= value < _LATEST_SECONDS:
        return None
    return datetime.fromtimestamp(int(value), UTC)
