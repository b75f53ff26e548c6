"""What the tenant slice takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.dto import Answer, Language, Line, Name, Request, not_null

Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")]


class Tenant(Answer):
    """The tenant behind the credential."""

    tenant_id: UUID
    slug: str
    name: str
    timezone: str = Field(description="IANA zone: usage and invoices count days of this zone.")
    currency: str
    locale: str
    default_region: str = Field(description="Country of numbers written without a calling code.")
    status: str
    plan: str | None = Field(description="Code of the plan that is valid today.")
    created_at: datetime
    four_eyes: bool = Field(description="Who asked for a plan can't approve it.")
    marketing_cap_messages: int | None = Field(
        description="Plans give one person at most so many marketing messages in `_days`."
    )
    marketing_cap_days: int | None
    blocked_countries: list[str] = Field(description="Countries it does not write to.")
    four_eyes_off_asked_by: str | None = Field(
        description="Who has asked to switch four eyes off; another owner has to ask too."
    )
    four_eyes_off_asked_at: datetime | None


class ChangeTenant(Request):
    """What to change of the tenant; what isn't named stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"marketing_cap_messages": 2, "marketing_cap_days": 7}]}
    )

    name: Name | None = Field(default=None, json_schema_extra=not_null)
    locale: Language | None = Field(default=None, json_schema_extra=not_null)
    timezone: Annotated[Line, Field(max_length=64)] | None = Field(
        default=None,
        description="Refused once something was invoiced: its days are billed.",
        json_schema_extra=not_null,
    )
    four_eyes: bool | None = Field(
        default=None,
        description="On at once; off when a second owner asks for it too.",
        json_schema_extra=not_null,
    )
    marketing_cap_messages: Annotated[int, Field(ge=1, le=9_999)] | None = Field(
        default=None, description="With `marketing_cap_days`; both null: no cap."
    )
    marketing_cap_days: Annotated[int, Field(ge=1, le=90)] | None = None
    blocked_countries: Annotated[list[Country], Field(max_length=250)] | None = Field(
        default=None, json_schema_extra=not_null
    )

    @model_validator(mode="after")
    def _whole(self) -> "ChangeTenant":
        cap = {"marketing_cap_messages", "marketing_cap_days"}
        given = self.model_fields_set & cap
        if given and given != cap:
            raise PydanticCustomError("half_a_cap", "give both fields of the marketing cap")
        if (self.marketing_cap_messages is None) != (self.marketing_cap_days is None):
            raise PydanticCustomError("half_a_cap", "both fields of the marketing cap or neither")
        if any(getattr(self, name) is None for name in self.model_fields_set - cap):
            raise PydanticCustomError("null_field", "only the marketing cap can be null")
        return self
