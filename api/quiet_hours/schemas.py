"""What the quiet-hours slice takes and gives."""

from datetime import datetime, time
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.dto import Answer, Request

Country = Annotated[
    str, Field(pattern=r"^(\*|[A-Z]{2})$", description="ISO 3166 code; `*`: every other country.")
]
Category = Annotated[
    Literal["*", "marketing", "utility", "authentication", "service"],
    Field(description="`*`: every other category."),
]


def _clock_text(value: object) -> object:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or len(value) != 5:
        raise PydanticCustomError("clock_text", "must be a wall clock as text: HH:MM")
    return value


WallClock = Annotated[
    time,
    BeforeValidator(_clock_text),
    Field(strict=False, json_schema_extra={"pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}),
]


class PutQuietHours(Request):
    """One rule; it replaces the rule of the same country and category."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "country": "BR",
                    "category": "marketing",
                    "starts_at": "20:00",
                    "ends_at": "08:00",
                    "quiet_days": [7],
                },
                {"country": "*", "category": "authentication"},
            ]
        }
    )

    country: Country
    category: Category
    starts_at: WallClock | None = Field(
        default=None, description="Wall clock of the person; null with `ends_at`: no nightly hours."
    )
    ends_at: WallClock | None = Field(
        default=None, description="When before `starts_at`, the quiet spans midnight."
    )
    quiet_days: Annotated[
        list[Annotated[int, Field(ge=1, le=7)]],
        Field(max_length=6, description="Whole days of quiet: Monday 1 to Sunday 7, never all."),
    ] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.starts_at is None) != (self.ends_at is None):
            raise PydanticCustomError("half_a_window", "starts_at and ends_at belong together")
        if self.starts_at is not None and self.starts_at == self.ends_at:
            raise PydanticCustomError("empty_window", "starts_at and ends_at must differ")
        if len(set(self.quiet_days)) != len(self.quiet_days):
            raise PydanticCustomError("repeated_day", "a day is named twice")
        return self


class QuietHoursRule(Answer):
    """One rule. Without hours and days it is an exception: never quiet."""

    country: str
    category: str
    starts_at: str | None
    ends_at: str | None
    quiet_days: list[int]
    updated_at: datetime


class QuietHoursRules(Answer):
    """Every rule of the tenant; the country decides before the category."""

    timezone: str = Field(description="The tenant's zone: read where a person's own is unknown.")
    items: list[QuietHoursRule]
