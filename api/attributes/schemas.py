"""What the attributes slice takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, AttributeName, Line, Request
from core.domain.attributes import AttributeType

Options = Annotated[list[Line], Field(min_length=1, max_length=200)]


class ContactAttribute(Answer):
    """A declared attribute: its values are checked wherever they come in."""

    attribute_id: UUID
    name: str
    type: AttributeType
    options: list[str] = Field(description="Of an enum; empty otherwise.")
    personal: bool
    created_by: str
    created_at: datetime
    updated_at: datetime


class DeclareAttribute(Request):
    """An attribute of contacts: its name and type stay for ever."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "tier", "type": "enum", "options": ["gold", "silver"], "personal": False}
            ]
        }
    )

    name: AttributeName
    type: AttributeType = Field(strict=False)
    options: Options | None = Field(default=None, description="Of an enum, and of nothing else.")
    personal: bool = Field(
        default=True, description="Says something about a person; samples don't show it."
    )


class ChangeAttribute(Request):
    """What is to change; what is not given stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"options": ["gold", "silver", "bronze"]}]}
    )

    options: Options | None = None
    personal: bool | None = None
