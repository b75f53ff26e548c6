"""Phone numbers: from what people type to one key per person.

Numbers go to Meta in E.164 with `+`: without it Meta puts the sender's country code in front and
the message reaches a stranger. Nothing is guessed here: a number without `+` is read as a number of
the list's own country, with or without its calling code, and refused when it isn't one.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber

from core.errors import InvalidInput

_BRAZIL: Final = 55
_MEXICO: Final = 52
# An old 8-digit mobile: 2 digits of area code, then 6 to 9. Landlines begin with 2 to 5.
_BRAZIL_OLD_MOBILE: Final = re.compile(r"[1-9]\d[6-9]\d{7}", re.ASCII)
_BRAZIL_MOBILE: Final = re.compile(r"[1-9]\d9[6-9]\d{7}", re.ASCII)
_MEXICO_OLD_MOBILE: Final = re.compile(r"1\d{10}", re.ASCII)
_SCHEMES: Final = ("whatsapp:", "tel:")
# A spreadsheet that took the number for a quantity writes it back with a decimal place.
_FLOAT_TAIL: Final = re.compile(r"^(\+?\d{8,15})\.0$", re.ASCII)
_DECORATION: Final = str.maketrans("", "", " .-/()\t\u2010\u2011\u2012\u2013\u2014\u2212")
_MAX_RAW_LENGTH: Final = 64
_MIN_DIGITS: Final = 7
_MAX_DIGITS: Final = 15


class PhoneProblem(StrEnum):
    """Why a number is refused; shown beside the row it came from."""

    EMPTY = "empty"
    LETTERS = "letters"
    BAD_CHARACTER = "bad_character"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    UNKNOWN_COUNTRY = "unknown_country"
    NOT_ASSIGNED = "not_assigned"


class InvalidPhone(InvalidInput):
    """A number that can't be called; `reason` says why. The text never holds the number."""

    code = "invalid-phone"

    def __init__(self, reason: PhoneProblem) -> None:
        """Keep the reason for the row's error."""
        super().__init__(f"the phone number is refused: {reason.value}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneAddress:
    """One callable number.

    `e164` with `+`, digits only. `region` is the ISO 3166 code, "001" for numbers of no country.
    `match_key` is equal for all written forms of one person's number (Brazil's ninth digit,
    Mexico's old 1); `variants` are those forms, the match key first.
    """

    e164: str
    region: str
    calling_code: int
    match_key: str
    variants: tuple[str, ...]


def normalise_phone(raw: str, default_region: str) -> PhoneAddress:
    """Read a number as people and spreadsheets write it. Raises InvalidPhone(reason).

    Takes spaces, dots, hyphens, brackets, full-width digits, a leading 00, `whatsapp:` and `tel:`.
    `default_region` is the ISO 3166 code of the country of numbers without `+`.
    """
    digits = _clean(raw)
    international = digits.startswith("+")
    _check_length(digits.removeprefix("+"))
    try:
        number = phonenumbers.parse(digits, None if international else default_region)
    except phonenumbers.NumberParseException as error:
        raise InvalidPhone(_parse_problem(error)) from None
    return _address(number)


def from_wa_id(wa_id: str) -> PhoneAddress:
    """The number behind Meta's wa_id, which is E.164 without `+`. Raises InvalidPhone."""
    return normalise_phone("+" + wa_id.removeprefix("+"), "ZZ")


def _clean(raw: str) -> str:
    """Digits with at most a leading `+`."""
    if len(raw) > _MAX_RAW_LENGTH:
        raise InvalidPhone(PhoneProblem.TOO_LONG)
    text = raw.strip() if raw.isascii() else _plain(raw)
    for scheme in _SCHEMES:
        if text[: len(scheme)].lower() == scheme:
            text = text[len(scheme) :].strip()
    text = _FLOAT_TAIL.sub(r"\1", text).translate(_DECORATION)
    if text.startswith("00"):
        text = "+" + text[2:]
    rest = text.removeprefix("+")
    if not rest:
        raise InvalidPhone(PhoneProblem.EMPTY)
    if not (rest.isascii() and rest.isdigit()):
        letters = any(character.isalpha() for character in rest)
        raise InvalidPhone(PhoneProblem.LETTERS if letters else PhoneProblem.BAD_CHARACTER)
    return text


def _plain(raw: str) -> str:
    """ASCII where there is an equivalent: other scripts' digits, wide signs, invisible marks."""
    kept = (
        str(unicodedata.decimal(character)) if character.isdecimal() else character
        for character in unicodedata.normalize("NFKC", raw)
        if unicodedata.category(character) != "Cf"
    )
    return "".join(kept).strip()


def _check_length(digits: str) -> None:
    if len(digits) < _MIN_DIGITS:
        raise InvalidPhone(PhoneProblem.TOO_SHORT)
    if len(digits) > _MAX_DIGITS + 2:  # a trunk prefix or Brazil's carrier code may precede it
        raise InvalidPhone(PhoneProblem.TOO_LONG)


def _address(number: PhoneNumber) -> PhoneAddress:
    calling_code = int(number.country_code or 0)
    number, variants = _joined_forms(number, calling_code)
    if not phonenumbers.is_valid_number(number):
        raise InvalidPhone(_impossible_because(number))
    key = variants[0]
    return PhoneAddress(
        e164=key,
        region=_region(number, calling_code),
        calling_code=calling_code,
        match_key=key,
        variants=variants,
    )


def _joined_forms(number: PhoneNumber, calling_code: int) -> tuple[PhoneNumber, tuple[str, ...]]:
    """The number in today's form, and all forms it is written in."""
    national = phonenumbers.national_significant_number(number)
    if calling_code == _BRAZIL and _BRAZIL_OLD_MOBILE.fullmatch(national):
        # All Brazilian mobiles have had nine digits since November 2016 (Anatel); lists and
        # WhatsApp ids from before still have eight.
        return _rewritten(_BRAZIL, national[:2] + "9" + national[2:], old=national)
    if calling_code == _BRAZIL and _BRAZIL_MOBILE.fullmatch(national):
        return number, (f"+55{national}", f"+55{national[:2]}{national[3:]}")
    if calling_code == _MEXICO and _MEXICO_OLD_MOBILE.fullmatch(national):
        # The 1 after +52 ended in August 2019; WhatsApp ids still carry it.
        return _rewritten(_MEXICO, national[1:], old=national)
    if calling_code == _MEXICO:
        return number, (f"+52{national}", f"+521{national}")
    return number, (f"+{calling_code}{national}",)


def _rewritten(
    calling_code: int, national: str, *, old: str
) -> tuple[PhoneNumber, tuple[str, ...]]:
    number = PhoneNumber(country_code=calling_code, national_number=int(national))
    return number, (f"+{calling_code}{national}", f"+{calling_code}{old}")


def _region(number: PhoneNumber, calling_code: int) -> str:
    regions = _regions(calling_code)
    if len(regions) == 1:
        return regions[0]
    return str(phonenumbers.region_code_for_number(number) or regions[0])


@lru_cache(maxsize=512)
def _regions(calling_code: int) -> tuple[str, ...]:
    return tuple(phonenumbers.region_codes_for_country_code(calling_code)) or ("001",)


def _impossible_because(number: PhoneNumber) -> PhoneProblem:
    verdict = phonenumbers.is_possible_number_with_reason(number)
    reasons = {
        phonenumbers.ValidationResult.TOO_SHORT: PhoneProblem.TOO_SHORT,
        phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY: PhoneProblem.TOO_SHORT,
        phonenumbers.ValidationResult.TOO_LONG: PhoneProblem.TOO_LONG,
        phonenumbers.ValidationResult.INVALID_COUNTRY_CODE: PhoneProblem.UNKNOWN_COUNTRY,
    }
    return reasons.get(verdict, PhoneProblem.NOT_ASSIGNED)


def _parse_problem(error: phonenumbers.NumberParseException) -> PhoneProblem:
    kinds = phonenumbers.NumberParseException
    reasons = {
        kinds.INVALID_COUNTRY_CODE: PhoneProblem.UNKNOWN_COUNTRY,
        kinds.TOO_LONG: PhoneProblem.TOO_LONG,
        kinds.TOO_SHORT_AFTER_IDD: PhoneProblem.TOO_SHORT,
        kinds.TOO_SHORT_NSN: PhoneProblem.TOO_SHORT,
    }
    return reasons.get(error.error_type, PhoneProblem.NOT_ASSIGNED)
