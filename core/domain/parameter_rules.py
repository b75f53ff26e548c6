"""What a value put into a template must keep to, said before anything is sent.

Meta checks a value only when the message is sent (132000, 132005, 132012, 132018), one person at a
time. A plan checks everybody's: each rule here names the values it looks at by their places, and
the database holds everybody's values against it (app.breaks_rule).

Lengths in characters. Sources: header text 60 and body 1024 (OpenAPI description of the Cloud API,
interactive objects; 132005 "text too long after substitution"); no line break, tab or more than
four spaces in a row (Meta's own words in 132018); a one-time code of 15 ("exceeds the maximum
length in the AUTHENTICATION category"); a link of 2,000 (Meta, template components, URL button).
A coupon code is 15 on one page of Meta's and 20 on another: the longer one holds here, so that
nobody is left out whom Meta would take. Payloads of quick replies and flow tokens: none published.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.domain.template import (
    MEDIA,
    ButtonKind,
    HeaderFormat,
    TemplateShape,
    ValueSlot,
    count_uses,
    literal_length,
    value_slots,
)
from core.errors import InvalidInput

BODY_LENGTH: Final = 1024
HEADER_LENGTH: Final = 60
ONE_TIME_CODE_LENGTH: Final = 15
COUPON_LENGTH: Final = 20
LINK_LENGTH: Final = 2000
MANY_SPACES: Final = " " * 5
LINE_BREAKS: Final = "\t\r\n\f\v"


class RuleCode(StrEnum):
    """What can be wrong with a value."""

    MISSING = "missing"
    LINE_BREAK_OR_TAB = "line_break_or_tab"
    TOO_MANY_SPACES = "too_many_spaces"
    TOO_LONG = "too_long"
    NOT_A_LINK = "not_a_link"
    NOT_A_LATITUDE = "not_a_latitude"
    NOT_A_LONGITUDE = "not_a_longitude"


ADVICE: Final[Mapping[RuleCode, str]] = {
    RuleCode.MISSING: "The person has no value for it; give one, or use the same for everybody.",
    RuleCode.LINE_BREAK_OR_TAB: "Meta takes no line break and no tab inside a value.",
    RuleCode.TOO_MANY_SPACES: "Meta takes at most four spaces in a row inside a value.",
    RuleCode.TOO_LONG: "With this value the text is longer than Meta allows.",
    RuleCode.NOT_A_LINK: "A file is given by a link that begins with https:// and has no blanks.",
    RuleCode.NOT_A_LATITUDE: "A latitude is a number from -90 to 90.",
    RuleCode.NOT_A_LONGITUDE: "A longitude is a number from -180 to 180.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a parameter's value comes from: the same for everybody, or the n-th personal value."""

    constant: str = ""
    place: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One check of personal values: `places` (from 1), `most` characters where it is a length."""

    parameter: str
    code: RuleCode
    places: tuple[int, ...]
    most: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A text with a limit: its own length and the parameters in it, each as often as it stands."""

    name: str
    fixed: int
    keys: tuple[str, ...]
    most: int


def personal_rules(
    shape: TemplateShape, sources: Mapping[str, Source], *, category: str
) -> tuple[Rule, ...]:
    """What each person's values must keep to, in the order of the template.

    Raises InvalidInput when a value that is the same for everybody breaks a rule by itself.
    """
    used = {slot.key: found for slot in value_slots(shape) if (found := _source(slot, sources))}
    rules: list[Rule] = []
    for key, source in used.items():
        if source.place is None:
            _check_constant(key, source.constant, _kind(shape, key))
        else:
            rules += _rules_of(key, source.place, _kind(shape, key))
    for text in _texts(shape, category):
        rules += _length_rules(text, used)
    return tuple(rules)


def quick_length(rules: Sequence[Rule]) -> int:
    """A total length of all personal values up to which no length rule can be broken."""
    most = [
        rule.most // max(rule.places.count(place) for place in rule.places)
        for rule in rules
        if rule.code is RuleCode.TOO_LONG
    ]
    return min(most, default=BODY_LENGTH)


def needs_exact_check(rules: Sequence[Rule]) -> bool:
    """Whether a look at lengths and blanks alone can't clear a person."""
    plain = {RuleCode.MISSING, RuleCode.LINE_BREAK_OR_TAB, RuleCode.TOO_MANY_SPACES}
    return any(rule.code not in plain | {RuleCode.TOO_LONG} for rule in rules)


def _source(slot: ValueSlot, sources: Mapping[str, Source]) -> Source | None:
    found = sources.get(slot.key)
    if found is None and slot.fallback is not None:
        found = sources.get(slot.fallback)
    return found


def _kind(shape: TemplateShape, key: str) -> RuleCode | None:
    """The rule of form a value keeps to besides being one line; None when there is none."""
    if key == "header" and shape.header in MEDIA:
        return RuleCode.NOT_A_LINK
    if shape.header is HeaderFormat.LOCATION:
        return {
            "header.latitude": RuleCode.NOT_A_LATITUDE,
            "header.longitude": RuleCode.NOT_A_LONGITUDE,
        }.get(key)
    return None


def _rules_of(key: str, place: int, kind: RuleCode | None) -> Iterator[Rule]:
    codes = [RuleCode.MISSING, RuleCode.LINE_BREAK_OR_TAB, RuleCode.TOO_MANY_SPACES]
    for code in (*codes, *([kind] if kind else [])):
        yield Rule(parameter=key, code=code, places=(place,))


def _check_constant(key: str, value: str, kind: RuleCode | None) -> None:
    text = value.strip()
    if any(mark in text for mark in LINE_BREAKS):
        raise InvalidInput(ADVICE[RuleCode.LINE_BREAK_OR_TAB], pointer=f"/parameters/{key}")
    if MANY_SPACES in text:
        raise InvalidInput(ADVICE[RuleCode.TOO_MANY_SPACES], pointer=f"/parameters/{key}")
    limits = {RuleCode.NOT_A_LATITUDE: 90.0, RuleCode.NOT_A_LONGITUDE: 180.0}
    # A file may also be given by the id of an upload, which only Meta can judge.
    if kind in limits and not _is_degree(text, limits[kind]):
        raise InvalidInput(ADVICE[kind], pointer=f"/parameters/{key}")


def _is_degree(text: str, most: float) -> bool:
    try:
        return abs(float(text)) <= most
    except ValueError:
        return False


def _texts(shape: TemplateShape, category: str) -> Iterator[_Text]:
    if shape.header is HeaderFormat.TEXT and shape.header_parameters:
        keys = [
            f"header.{name}"
            for name in shape.header_parameters
            for _ in range(count_uses(shape.header_text, name))
        ]
        fixed = literal_length(shape.header_text)
        yield _Text(name="header", fixed=fixed, keys=tuple(keys), most=HEADER_LENGTH)
    keys = [n for n in shape.body_parameters for _ in range(count_uses(shape.body, n))]
    fixed = literal_length(shape.body)
    yield _Text(name="body", fixed=fixed, keys=tuple(keys), most=BODY_LENGTH)
    is_code = category == "authentication"
    for button in shape.buttons:
        is_code = is_code or button.kind is ButtonKind.ONE_TIME_CODE
        if button.kind is ButtonKind.COPY_CODE:
            yield _Text(name=button.key, fixed=0, keys=(button.key,), most=COUPON_LENGTH)
        if button.kind is ButtonKind.URL:
            fixed = button.fixed_length
            yield _Text(name=button.key, fixed=fixed, keys=(button.key,), most=LINK_LENGTH)
    if is_code and shape.body_parameters:
        code = shape.body_parameters[0]
        yield _Text(name=code, fixed=0, keys=(code,), most=ONE_TIME_CODE_LENGTH)


def _length_rules(text: _Text, used: Mapping[str, Source]) -> Iterator[Rule]:
    found = [used[key] for key in text.keys if key in used]
    constants = sum(len(" ".join(source.constant.split())) for source in found)
    left = text.most - text.fixed - constants
    places = tuple(source.place for source in found if source.place is not None)
    if left < 0 or (places and left == 0):
        raise InvalidInput(
            f"the {text.name} is longer than the {text.most} characters Meta allows",
            pointer="/parameters",
        )
    if places:
        yield Rule(parameter=text.name, code=RuleCode.TOO_LONG, places=places, most=left)
