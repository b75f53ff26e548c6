"""The types that requests and answers are made of: strict, capped, closed.

A request accepts exactly what is written here: an unknown field, a number as a string, a NUL or a
lone surrogate is refused, so that nothing that reaches a rule or PostgreSQL is a surprise.
"""

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError


class Request(BaseModel):
    """The body of a request: strict types, no unknown field."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Query(BaseModel):
    """The query of a request; unknown names are refused by `deps.refuse_unknown_query`."""

    model_config = ConfigDict(frozen=True)


class Answer(BaseModel):
    """The body of an answer; built from rows that our own SQL names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Members that change without anybody changing the thing; see `api.etags`.
    moving: ClassVar[frozenset[str]] = frozenset()


Item = TypeVar("Item", bound=BaseModel)


class Page(Answer, Generic[Item]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = Field(
        default=None, description="Give it back as `cursor` to read on; null on the last page."
    )


def storable(value: str) -> str:
    """PostgreSQL's text holds neither NUL nor half of a surrogate pair."""
    if "\x00" in value:
        raise PydanticCustomError("nul_character", "NUL characters are not allowed")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise PydanticCustomError("lone_surrogate", "lone surrogates are not allowed")
    return value


def one_line(value: str) -> str:
    """One line with something in it."""
    if any(unicodedata.category(character) in {"Cc", "Zl", "Zp"} for character in value):
        raise PydanticCustomError("control_character", "control characters are not allowed")
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
#: What `storable` and `one_line` refuse, as far as a pattern can say it.
_STORABLE: Final[dict[str, Any]] = {"pattern": r"^[^\u0000]*$"}
_ONE_LINE: Final[dict[str, Any]] = {"pattern": r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"}


def not_null(schema: dict[str, Any]) -> None:
    """For `json_schema_extra` of a member that may be left out, but not be null."""
    (only,) = [each for each in schema.pop("anyOf") if each.get("type") != "null"]
    schema.pop("default", None)
    schema.update(only)


def _text_only(value: object) -> object:
    """Refuse numbers where an instant is meant: 17000 would be a second of 1970."""
    if not isinstance(value, str | datetime) or (isinstance(value, str) and "T" not in value):
        raise PydanticCustomError("datetime_text", "must be an ISO 8601 instant with an offset")
    return value


def _day_text(value: object) -> object:
    """Refuse what a date could be made of as well: seconds since 1970, an instant."""
    if not isinstance(value, date) and not (isinstance(value, str) and _DAY.fullmatch(value)):
        raise PydanticCustomError("date_text", "must be a day as text: YYYY-MM-DD")
    return value


def _id_text(value: object) -> object:
    if not isinstance(value, str | UUID):
        raise PydanticCustomError("uuid_text", "must be a UUID as text")
    return value


Day = Annotated[date, BeforeValidator(_day_text), Field(strict=False)]
Id = Annotated[UUID, BeforeValidator(_id_text), Field(strict=False)]
Instant = Annotated[AwareDatetime, BeforeValidator(_text_only), Field(strict=False)]
Text = Annotated[str, Field(max_length=4096, json_schema_extra=_STORABLE), AfterValidator(storable)]
Line = Annotated[
    str,
    Field(min_length=1, max_length=200, json_schema_extra=_ONE_LINE),
    AfterValidator(storable),
    AfterValidator(one_line),
]
Name = Annotated[
    str,
    Field(min_length=1, max_length=120, json_schema_extra=_ONE_LINE),
    AfterValidator(storable),
    AfterValidator(one_line),
]
Email = Annotated[
    str,
    Field(
        min_length=1,
        max_length=254,
        description="Kept in one form: small letters, NFKC.",
        json_schema_extra=_ONE_LINE,
    ),
    AfterValidator(storable),
    AfterValidator(one_line),
]
MetaId = Annotated[str, Field(pattern=r"^[0-9]{1,32}$", description="An id of Meta: digits.")]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
AttributeValue = Annotated[
    str, Field(max_length=1024, json_schema_extra=_STORABLE), AfterValidator(storable)
]
Attributes = Annotated[dict[AttributeName, AttributeValue], Field(max_length=64)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}([_-][A-Za-z0-9]{2,8}){0,2}$")]
Phone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    Field(description="As people write it; without + it belongs to the tenant's own country."),
]
