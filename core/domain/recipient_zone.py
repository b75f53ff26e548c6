"""In which time zone a person lives, as far as an address tells.

The zone a contact gives of itself comes first and the tenant's own zone last; this module answers
in between: by the phone number's prefix (Brazil and North America by area code), or by the country
at the front of a business-scoped user id. Data: Google's libphonenumber, as Python's phonenumbers.
A prefix that lies in several zones is read as the zone most people of that country live in
(`_MOST_PEOPLE`); a country of several zones that stands not there has no answer.
"""

from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

import phonenumbers
from phonenumbers import PhoneNumber
from phonenumbers.timezone import time_zones_for_geographical_number

_MOST_PEOPLE: Final = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CD": "Africa/Kinshasa",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "CY": "Asia/Nicosia",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "GB": "Europe/London",
    "GL": "America/Nuuk",
    "ID": "Asia/Jakarta",
    "KZ": "Asia/Almaty",
    "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon",
    "RU": "Europe/Moscow",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
    "UZ": "Asia/Tashkent",
}
_UNKNOWN: Final = "Etc/Unknown"
_NORTH_AMERICA: Final = 1
_NATIONAL_DIGITS: Final = 10


def zone_of_prefix(prefix: str) -> str | None:
    """The zone of addresses that begin with `prefix`: `+` and seven digits, or `CC.`; or None."""
    if prefix.startswith("+"):
        return _zone_of_digits(prefix[1:])
    country, dot, _ = prefix.partition(".")
    return zone_of_country(country) if dot else None


@lru_cache(maxsize=512)
def zone_of_country(country: str) -> str | None:
    """The zone of an ISO country, or the one most of its people live in; None when unknown."""
    if country in _MOST_PEOPLE:
        return _MOST_PEOPLE[country]
    code = phonenumbers.country_code_for_region(country)
    zones = _zones(PhoneNumber(country_code=code, national_number=0)) if code else ()
    return zones[0] if len(zones) == 1 else None


def country_of_prefix(prefix: str) -> str | None:
    """The country of a North American number by its area code; None for all others.

    Only there do several countries share one calling code and one market.
    """
    digits = prefix.removeprefix("+")
    if not prefix.startswith("+1") or not digits.isdigit():
        return None
    padded = digits[1:].ljust(_NATIONAL_DIGITS, "2")
    number = PhoneNumber(country_code=_NORTH_AMERICA, national_number=int(padded))
    return phonenumbers.region_code_for_number(number)


def _zone_of_digits(digits: str) -> str | None:
    split = _calling_code(digits)
    if split is None:
        return None
    code, national = split
    number = PhoneNumber(country_code=code, national_number=int(national or "0"))
    zones = _zones(number)
    if len(zones) == 1:
        return zones[0]
    regions = phonenumbers.region_codes_for_country_code(code)
    return _MOST_PEOPLE.get(regions[0]) if regions else None


def _calling_code(digits: str) -> tuple[int, str] | None:
    for length in (1, 2, 3):
        code = int(digits[:length]) if digits[:length].isdigit() else 0
        if phonenumbers.region_codes_for_country_code(code):
            return code, digits[length:]
    return None


def _zones(number: PhoneNumber) -> tuple[str, ...]:
    zones = time_zones_for_geographical_number(number)
    return tuple(zone for zone in zones if zone != _UNKNOWN and zone in _names())


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset(available_timezones())
