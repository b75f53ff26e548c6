"""What a row of a contact file says: the header's meaning, then each row's person or refusal."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.contact_files.csv_rows import BadRow, NotContactFile, Row
from core.domain.attributes import ADVICE, NO, YES, Attribute, Misfit, canonical_values
from core.domain.phone import InvalidPhone, PhoneAddress, PhoneProblem, normalise_phone
from core.store.contacts import Person

_FIXED: Final = frozenset({"phone", "name", "language", "consent", "opted_out"})
ATTRIBUTE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}", re.ASCII)
_BRAZIL: Final = 55
UNCLAIMED: Final = "a consent column needs consent_channel and consent_text_version"
MAX_COLUMNS: Final = 64
_MAX_NAME: Final = 200
_MAX_VALUE: Final = 1024

_PHONE_ADVICE: Final = {
    PhoneProblem.EMPTY: "Give a phone number.",
    PhoneProblem.LETTERS: "A phone number has no letters.",
    PhoneProblem.BAD_CHARACTER: "Use digits, +, spaces, dots, hyphens and brackets only.",
    PhoneProblem.TOO_SHORT: "Digits are missing; write it with area code.",
    PhoneProblem.TOO_LONG: "There are too many digits; one number in each row.",
    PhoneProblem.UNKNOWN_COUNTRY: "The calling code doesn't exist; write +<calling code><number>.",
    PhoneProblem.NOT_ASSIGNED: "No such number is assigned; check it with the person.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which cell is what."""

    phone: int
    name: int | None
    language: int | None
    consent: int | None
    opted_out: int | None
    attributes: tuple[tuple[int, str], ...]
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A row that says something about a callable person."""

    number: int
    person: Person
    consents: bool
    opted_out: bool
    #: Brazil: written without the ninth digit that every mobile has today.
    old_form: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRow:
    """A row that was not taken, why, and what to do; never with its value."""

    number: int
    column: str | None
    code: str
    advice: str


class _Refused(Exception):
    def __init__(self, column: str, code: str, advice: str) -> None:
        super().__init__(code)
        self.column = column
        self.code = code
        self.advice = advice


def read_header(row: Row, mapping: Mapping[str, str | None] | None = None) -> Columns:
    """The meaning of the header. Raises NotContactFile when a column can't be understood.

    `mapping` says what the columns of these headings are: a field or an attribute, or None for one
    to pass over. The others are what their heading says.
    """
    mapping = mapping or {}
    headings = [value.strip() for value in row.values]
    if len(headings) > MAX_COLUMNS:
        raise NotContactFile(f"the file has more than {MAX_COLUMNS} columns")
    if set(mapping) - set(headings):
        raise NotContactFile("the mapping names a column that the header row doesn't have")
    names = [mapping[text] if text in mapping else _column_name(text) for text in headings]
    used = [name for name in names if name is not None]
    if "phone" not in used:
        raise NotContactFile("the header row has no column `phone`")
    if len(set(used)) != len(used):
        raise NotContactFile("two columns have the same name")
    for position, name in enumerate(names, start=1):
        if name is not None and not ATTRIBUTE.fullmatch(name):
            raise NotContactFile(f"column {position} has no usable name; use letters, digits and _")
    places = {name: names.index(name) for name in _FIXED if name in used}
    return Columns(
        phone=places["phone"],
        name=places.get("name"),
        language=places.get("language"),
        consent=places.get("consent"),
        opted_out=places.get("opted_out"),
        attributes=tuple(
            (at, name) for at, name in enumerate(names) if name is not None and name not in _FIXED
        ),
        width=len(names),
    )


def read_person(
    row: Row | BadRow,
    columns: Columns,
    region: str,
    *,
    consent_is_claimed: bool,
    declared: Mapping[str, Attribute] | None = None,
) -> PersonRow | RefusedRow:
    """What a row says. `consent_is_claimed`: rows without a consent column claim it too.

    The values of `declared` attributes are checked and brought into their one form.
    """
    if isinstance(row, BadRow):
        return RefusedRow(number=row.number, column=None, code=row.code, advice=row.advice)
    if len(row.values) > columns.width:
        advice = "The row has more cells than the header; quote cells that hold the delimiter."
        return RefusedRow(number=row.number, column=None, code="too_many_cells", advice=advice)
    try:
        written = _cell(row.values, columns.phone)
        person = Person(
            phone=normalise_phone(written, region),
            name=_name(_cell(row.values, columns.name)),
            language=_language(_cell(row.values, columns.language)),
            attributes=canonical_values(declared or {}, _attributes(row.values, columns)),
        )
        opted_out = _flag(_cell(row.values, columns.opted_out), "opted_out")
        consents = consent_is_claimed
        if columns.consent is not None:
            consents = _flag(_cell(row.values, columns.consent), "consent")
    except InvalidPhone as error:
        return RefusedRow(
            number=row.number,
            column="phone",
            code=f"phone_{error.reason.value}",
            advice=_PHONE_ADVICE[error.reason],
        )
    except Misfit as misfit:
        return RefusedRow(
            number=row.number,
            column=misfit.name,
            code=misfit.reason.value,
            advice=ADVICE[misfit.reason],
        )
    except _Refused as refused:
        return RefusedRow(
            number=row.number, column=refused.column, code=refused.code, advice=refused.advice
        )
    return PersonRow(
        number=row.number,
        person=person,
        consents=consents and not opted_out,
        opted_out=opted_out,
        old_form=_is_old_form(written, person.phone),
    )


def _is_old_form(written: str, phone: PhoneAddress) -> bool:
    digits = "".join(mark for mark in written if mark.isdigit())
    return phone.calling_code == _BRAZIL and not digits.endswith(phone.match_key[3:])


def _column_name(value: str) -> str:
    name = re.sub(r"[\s-]+", "_", value.strip())
    return name.lower() if name.lower() in _FIXED else name


def _cell(values: Sequence[str], at: int | None) -> str:
    return values[at].strip() if at is not None and at < len(values) else ""


def _name(value: str) -> str | None:
    _check_text(value, "name", _MAX_NAME)
    return value or None


def _language(value: str) -> str | None:
    if value and not _LANGUAGE.fullmatch(value):
        raise _Refused("language", "bad_language", "Write a language as in pt_BR, en or es_MX.")
    return value or None


def _attributes(values: Sequence[str], columns: Columns) -> dict[str, str]:
    """Attributes that have a value; an empty cell says nothing and erases nothing."""
    found = {name: _cell(values, at) for at, name in columns.attributes}
    for name, value in found.items():
        _check_text(value, name, _MAX_VALUE)
    return {name: value for name, value in found.items() if value}


def _check_text(value: str, column: str, limit: int) -> None:
    if len(value) > limit:
        raise _Refused(column, "cell_too_long", f"A cell here has at most {limit} characters.")
    if not value.isprintable() and any(unicodedata.category(mark) == "Cc" for mark in value):
        raise _Refused(column, "control_character", "Remove line breaks and control characters.")


def _flag(value: str, column: str) -> bool:
    word = value.casefold()
    if word in YES:
        return True
    if not word or word in NO:
        return False
    raise _Refused(column, "bad_yes_no", "Write yes or no (or leave it empty for no).")
