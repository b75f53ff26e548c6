"""The language of segments: a text that says who is meant, read into a small tree.

The grammar stands in docs/people.md. Nothing of a text ever reaches SQL but as a parameter:
core/store/segments.py puts a tree together from named queries.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from core.domain.attributes import ADVICE, Attribute, AttributeType, Misfit, canonical

MAX_LENGTH: Final = 4_000
MAX_DEPTH: Final = 10
MAX_TESTS: Final = 50
MAX_DAYS: Final = 365
_MAX_VALUES: Final = 100


class BadFilter(Exception):
    """A text that is no filter; `at` is the character where that shows, from 0."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Event(StrEnum):
    """What happened to a person some days ago."""

    CREATED = "created"
    LAST_MESSAGE = "last_message"
    LAST_INBOUND = "last_inbound"


class Order(StrEnum):
    """How a number or a date is compared."""

    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Who is meant by all of the parts."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """Who is meant by any of the parts."""

    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """Who isn't meant by the part."""

    part: "Filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Who has a value of an attribute."""

    attribute: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """Whose attribute is one of some texts, in the form in which values are kept."""

    attribute: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contains:
    """Whose attribute holds a text somewhere."""

    attribute: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Whose number or date stands so to a value; `type` says which of the two it is."""

    attribute: str
    type: AttributeType
    order: Order
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOneOf:
    """Whose language, country or market is one of some."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnList:
    """Who is on a list."""

    list_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentIs:
    """Of whom the ledger says this; None: nothing."""

    purpose: str
    granted: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """To whom something happened in the last days."""

    event: Event
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppressed:
    """To whom nothing is sent at all."""


Test = Present | OneOf | Contains | Compared | FieldOneOf | OnList | ConsentIs | Within | Suppressed
Filter = Both | Either | Not | Test

_FIELDS: Final[Mapping[str, re.Pattern[str]]] = {
    "language": re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}", re.ASCII),
    "country": re.compile(r"[A-Z]{2}", re.ASCII),
    "market": re.compile(r"[A-Za-z_ &-]{1,64}", re.ASCII),
}
_PURPOSES: Final = frozenset({"marketing", "utility", "authentication", "service"})
_CONSENT: Final[Mapping[str, bool | None]] = {"granted": True, "revoked": False, "unknown": None}
_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\["\\])*")
        | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?)
        | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)
        | (?P<sign><=|>=|!=|[=<>(),])
    )""",
    re.VERBOSE | re.ASCII,
)


def parse_filter(text: str, declared: Mapping[str, Attribute]) -> Filter:
    """The tree of a filter. Raises BadFilter.

    `declared` attributes are compared as what they are; those that nobody declared are texts.
    """
    if len(text) > MAX_LENGTH:
        raise BadFilter(f"a filter has at most {MAX_LENGTH} characters", MAX_LENGTH)
    parser = _Parser(_tokens(text), declared)
    found = parser.either(1)
    parser.end()
    return found


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> list[_Token]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise BadFilter("this can't be read", at + len(text[at:]) - len(text[at:].lstrip()))
        kind = match.lastgroup
        written = match[kind]
        if kind == "string":
            written = re.sub(r"\\(.)", r"\1", written[1:-1])
        tokens.append(_Token(kind, written, match.start(kind)))
        at = match.end()
    return [*tokens, _Token("end", "", end)]


class _Parser:
    """One look ahead, one function a rule of the grammar."""

    def __init__(self, tokens: Sequence[_Token], declared: Mapping[str, Attribute]) -> None:
        self._tokens = tokens
        self._next = 0
        self._declared = declared
        self._tests = 0

    def either(self, depth: int) -> Filter:
        parts = [self._both(depth)]
        while self._take("word", "or"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else Either(parts=tuple(parts))

    def end(self) -> None:
        if self._here.kind != "end":
            raise BadFilter("and, or, or the end was expected", self._here.at)

    @property
    def _here(self) -> _Token:
        return self._tokens[self._next]

    def _both(self, depth: int) -> Filter:
        parts = [self._one(depth)]
        while self._take("word", "and"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else Both(parts=tuple(parts))

    def _one(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise BadFilter(f"a filter is nested at most {MAX_DEPTH} deep", self._here.at)
        if self._take("word", "not"):
            return Not(part=self._one(depth + 1))
        if self._take("sign", "("):
            inner = self.either(depth + 1)
            self._need("sign", ")")
            return inner
        self._tests += 1
        if self._tests > MAX_TESTS:
            raise BadFilter(f"a filter has at most {MAX_TESTS} tests", self._here.at)
        return self._test()

    def _test(self) -> Filter:
        token = self._need("word")
        subject, _, rest = token.text.partition(".")
        if subject == "attribute" and rest:
            return self._attribute(rest)
        if subject == "consent" and rest in _PURPOSES:
            return self._consent(rest)
        if not rest and subject in _FIELDS:
            return self._field(subject)
        if not rest and subject in set(Event):
            return self._within(Event(subject))
        if token.text == "list":
            return self._list()
        if token.text == "suppressed":
            return Suppressed()
        raise BadFilter("there is nothing of this name to test", token.at)

    def _attribute(self, name: str) -> Filter:
        if self._take("word", "is"):
            known = self._need("word", "present", "missing").text
            present = Present(attribute=name)
            return present if known == "present" else Not(part=present)
        kind = self._declared[name].type if name in self._declared else AttributeType.TEXT
        if self._take("word", "contains"):
            if kind is not AttributeType.TEXT:
                raise BadFilter("only a text contains another", self._here.at)
            return Contains(attribute=name, value=self._need("string").text)
        if self._here.kind == "sign" and self._here.text in {"<", "<=", ">", ">="}:
            order = Order(self._step().text)
            if kind not in {AttributeType.NUMBER, AttributeType.DATE}:
                raise BadFilter("only declared numbers and dates are compared so", self._here.at)
            return Compared(attribute=name, type=kind, order=order, value=self._value(name))
        return self._equality(
            lambda: self._value(name), lambda values: self._equal(name, kind, values)
        )

    def _equal(self, name: str, kind: AttributeType, values: tuple[str, ...]) -> Filter:
        """Numbers are equal by what they are, everything else by its form."""
        if kind is not AttributeType.NUMBER:
            return OneOf(attribute=name, values=values)
        parts = tuple(
            Compared(attribute=name, type=kind, order=Order.EQUAL, value=value) for value in values
        )
        return parts[0] if len(parts) == 1 else Either(parts=parts)

    def _value(self, name: str) -> str:
        token = self._step()
        if token.kind not in {"string", "number", "word"}:
            raise BadFilter("a value was expected", token.at)
        if token.kind == "word" and token.text not in {"true", "false"}:
            raise BadFilter("a text is written in double quotes", token.at)
        if name not in self._declared:
            return token.text
        try:
            return canonical(self._declared[name], token.text)
        except Misfit as misfit:
            raise BadFilter(ADVICE[misfit.reason], token.at) from misfit

    def _field(self, field: str) -> Filter:
        def value() -> str:
            token = self._need("string")
            if not _FIELDS[field].fullmatch(token.text):
                raise BadFilter(f"this is no {field}", token.at)
            return token.text

        return self._equality(value, lambda values: FieldOneOf(field=field, values=values))

    def _equality(
        self, value: Callable[[], str], make: Callable[[tuple[str, ...]], Filter]
    ) -> Filter:
        if self._take("sign", "="):
            return make((value(),))
        if self._take("sign", "!="):
            return Not(part=make((value(),)))
        self._need("word", "in")
        self._need("sign", "(")
        values = [value()]
        while self._take("sign", ","):
            values.append(value())
            if len(values) > _MAX_VALUES:
                raise BadFilter(f"at most {_MAX_VALUES} values stand in one list", self._here.at)
        self._need("sign", ")")
        return make(tuple(values))

    def _consent(self, purpose: str) -> Filter:
        self._need("word", "is")
        return ConsentIs(purpose=purpose, granted=_CONSENT[self._need("word", *_CONSENT).text])

    def _within(self, event: Event) -> Filter:
        self._need("word", "within")
        token = self._need("number")
        if not token.text.isdigit() or not 1 <= int(token.text[:9]) <= MAX_DAYS:
            raise BadFilter(f"days are 1 to {MAX_DAYS}", token.at)
        self._need("word", "days")
        return Within(event=event, days=int(token.text))

    def _list(self) -> Filter:
        token = self._need("string")
        try:
            return OnList(list_id=UUID(token.text))
        except ValueError:
            raise BadFilter("a list is named by its id", token.at) from None

    def _step(self) -> _Token:
        token = self._here
        if token.kind == "end":
            raise BadFilter("the filter ends too early", token.at)
        self._next += 1
        return token

    def _take(self, kind: str, text: str) -> bool:
        if self._here.kind == kind and self._here.text == text:
            self._next += 1
            return True
        return False

    def _need(self, kind: str, *texts: str) -> _Token:
        token = self._step()
        if token.kind != kind or (texts and token.text not in texts):
            wanted = " or ".join(texts) if texts else f"a {kind}"
            raise BadFilter(f"{wanted} was expected", token.at)
        return token
