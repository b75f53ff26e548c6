"""Small integers instead of words in the lake, as core.domain.events numbers them.

A word that Meta invents tomorrow has no number yet: it becomes UNLISTED, is counted by a check, and
makes a cost unknown. It never stops an extraction and is never taken for something else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.domain import events

if TYPE_CHECKING:
    import pyarrow as pa

UNLISTED: Final = events.UNKNOWN_CODE
UNLISTED_NAME: Final = "unlisted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedColumn:
    """A lake column of numbers: the source column of words, and which list numbers them."""

    source: str
    kind: str


CODED_COLUMNS: Final[Mapping[str, CodedColumn]] = {
    "event_type_code": CodedColumn(source="event_type", kind="event_type"),
    "category_code": CodedColumn(source="category", kind="category"),
    "pricing_type_code": CodedColumn(source="pricing_type", kind="pricing_type"),
    "pricing_category_code": CodedColumn(source="pricing_category", kind="category"),
}


def code_lists() -> Mapping[str, Mapping[str, int]]:
    """Every list of words with their numbers; a number is never used again for another word."""
    return {
        "event_type": {str(name): code for name, code in events.EVENT_TYPE_CODES.items()},
        "category": {str(name): code for name, code in events.CATEGORY_CODES.items()},
        "pricing_type": {str(name): code for name, code in events.PRICING_TYPE_CODES.items()},
    }


def code_rows() -> list[tuple[str, int, str]]:
    """The lists as rows (kind, code, name) for the warehouse, UNLISTED included."""
    rows = [
        (kind, code, name) for kind, names in code_lists().items() for name, code in names.items()
    ]
    return rows + [(kind, UNLISTED, UNLISTED_NAME) for kind in code_lists()]


def code_of(kind: str, name: str) -> int:
    """The number of one word. Raises KeyError when the list has no such word."""
    return code_lists()[kind][name]


def encode(words: "pa.Array", kind: str) -> "pa.Array":
    """Words as numbers, vectorised; null stays null, case and hyphens don't matter."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = code_lists()[kind]
    plain = pc.replace_substring(pc.utf8_lower(words.cast(pa.string())), "-", "_")
    position = pc.index_in(plain, value_set=pa.array(list(names), pa.string()))
    numbers = pa.array(list(names.values()), pa.int16()).take(position)
    unlisted = pa.scalar(UNLISTED, pa.int16())
    return pc.if_else(
        pc.is_valid(plain), pc.coalesce(numbers, unlisted), pa.scalar(None, pa.int16())
    )
