"""Contact attributes that a tenant has declared: what their values may be, written in one form."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

YES: Final = frozenset({"1", "true", "yes", "y", "sim", "s", "si", "t"})
NO: Final = frozenset({"0", "false", "no", "n", "nao", "não", "f"})
#: numeric(21, 6) holds it; a spreadsheet's float does, too, to 15 digits.
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,6})?", re.ASCII)
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class AttributeType(StrEnum):
    """What the values of an attribute are."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    ENUM = "enum"


class MisfitReason(StrEnum):
    """Why a value isn't one of its attribute; part of the code of a refused row."""

    NUMBER = "bad_number"
    DATE = "bad_date"
    BOOLEAN = "bad_yes_no"
    ENUM = "not_an_option"


ADVICE: Final[Mapping[MisfitReason, str]] = {
    MisfitReason.NUMBER: "Write a number as 1234.5: at most 15 digits and 6 decimals.",
    MisfitReason.DATE: "Write a date as 2026-11-23.",
    MisfitReason.BOOLEAN: "Write yes or no.",
    MisfitReason.ENUM: "Write one of the options that were declared.",
}


class Misfit(Exception):
    """A value that its attribute doesn't take."""

    def __init__(self, name: str, reason: MisfitReason) -> None:
        super().__init__(reason.value)
        self.name = name
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One declared attribute; `options` are those of an enum."""

    name: str
    type: AttributeType
    options: tuple[str, ...] = field(default=())
    personal: bool = False


def canonical(attribute: Attribute, value: str) -> str:
    """A value in the one form in which it is kept. Raises Misfit.

    Equal values have equal forms; dates sort as texts do. The canonical form of a canonical value
    is itself.
    """
    match attribute.type:
        case AttributeType.TEXT:
            return value
        case AttributeType.NUMBER:
            return _number(attribute, value.strip())
        case AttributeType.DATE:
            return _date(attribute, value.strip())
        case AttributeType.BOOLEAN:
            return _boolean(attribute, value.strip().casefold())
        case AttributeType.ENUM:
            return _option(attribute, value.strip())


def canonical_values(
    declared: Mapping[str, Attribute], values: Mapping[str, str]
) -> dict[str, str]:
    """Values of several attributes; those that nobody declared are texts. Raises Misfit."""
    return {
        name: canonical(declared[name], value) if name in declared else value
        for name, value in values.items()
    }


def by_name(attributes: Iterable[Attribute]) -> dict[str, Attribute]:
    """Attributes by their names."""
    return {attribute.name: attribute for attribute in attributes}


def _number(attribute: Attribute, value: str) -> str:
    if not _NUMBER.fullmatch(value):
        raise Misfit(attribute.name, MisfitReason.NUMBER)
    text = f"{Decimal(value):f}"
    whole = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if whole in {"-0", "0"} else whole


def _date(attribute: Attribute, value: str) -> str:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError(value)
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Misfit(attribute.name, MisfitReason.DATE) from None


def _boolean(attribute: Attribute, value: str) -> str:
    if value in YES:
        return "true"
    if value in NO:
        return "false"
    raise Misfit(attribute.name, MisfitReason.BOOLEAN)


def _option(attribute: Attribute, value: str) -> str:
    for option in attribute.options:
        if option.casefold() == value.casefold():
            return option
    raise Misfit(attribute.name, MisfitReason.ENUM)
