"""Phone numbers as the Cloud API sees them: who is meant by `to`, which wa_id, which country.

Written apart from the platform's own phone rules on purpose: the sandbox judges the platform, so
the two must be able to disagree.
"""

import re
from functools import lru_cache

import phonenumbers

_SEPARATORS = re.compile(r"[\s()\-.]")
_DIGITS = re.compile(r"[0-9]{7,15}")
_BRAZIL = re.compile(r"55([1-9][0-9])(9?)([6-9][0-9]{7})")
_MEXICO = re.compile(r"521?([0-9]{10})")
# Since the ninth digit came to Brazil, WhatsApp kept the old eight-digit ids outside the first
# area codes (Sao Paulo, Rio de Janeiro, Espirito Santo: 11 to 28).
_LAST_BRAZILIAN_AREA_WITH_NINTH_DIGIT = 28


def read_recipient(to: str, *, business_digits: str, prepend_country_code: bool) -> str | None:
    """The digits that `to` means, or None when it can't be a phone number.

    Without `+` Meta puts the business number's country code in front, which delivers to somebody
    else; `prepend_country_code` false spares numbers that are whole already.
    """
    compact = _SEPARATORS.sub("", to)
    if compact.startswith("+"):
        digits = compact[1:]
        return digits if _DIGITS.fullmatch(digits) else None
    if not compact.isascii() or not compact.isdigit():
        return None
    if prepend_country_code or not _is_whole(compact):
        compact = f"{calling_code(business_digits)}{compact}"
    return compact if _DIGITS.fullmatch(compact) else None


def _is_whole(digits: str) -> bool:
    if _BRAZIL.fullmatch(digits) or _MEXICO.fullmatch(digits):
        return True  # a wa_id, which is not always a number one can dial
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(f"+{digits}"))
    except phonenumbers.NumberParseException:
        return False


def wa_id_of(digits: str) -> str:
    """The WhatsApp id of a phone: Brazil and Mexico differ from the number one dials."""
    if digits.startswith("55") and (brazil := _BRAZIL.fullmatch(digits)):
        area, _, subscriber = brazil.groups()
        ninth = "9" if int(area) <= _LAST_BRAZILIAN_AREA_WITH_NINTH_DIGIT else ""
        return f"55{area}{ninth}{subscriber}"
    if digits.startswith("52") and (mexico := _MEXICO.fullmatch(digits)):
        return f"521{mexico.group(1)}"
    return digits


def country_of(digits: str) -> str:
    """ISO country of a number; `ZZ` when no country has that calling code.

    Shared calling codes other than +1 count as their main country (+44 is GB, +7 is RU or KZ).
    """
    if digits.startswith("1"):
        return _north_american_country(digits[1:4])
    if digits.startswith("7"):
        return "KZ" if digits[1:2] in {"6", "7"} else "RU"
    code = calling_code(digits)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(code or 0), ("ZZ",))
    return str(regions[0])


def calling_code(digits: str) -> str:
    """The country calling code that `digits` begin with; empty when there is none."""
    for length in (1, 2, 3):
        if int(digits[:length] or 0) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
            return digits[:length]
    return ""


@lru_cache(maxsize=1000)
def _north_american_country(area: str) -> str:
    # 555-01xx is reserved for fiction but valid in every plan area's pattern.
    try:
        number = phonenumbers.parse(f"+1{area}2345678")
    except phonenumbers.NumberParseException:
        return "US"
    return phonenumbers.region_code_for_number(number) or "US"
