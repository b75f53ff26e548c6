"""What the segments slice takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, Name, Request, Text
from core.domain.segments import MAX_LENGTH

FilterText = Annotated[
    Text,
    Field(
        min_length=1,
        max_length=MAX_LENGTH,
        description="Who is meant, in the language of docs/people.md.",
        examples=['attribute.store = "Mooca" and consent.marketing is granted'],
    ),
]


class Segment(Answer):
    """People described by a filter; who they are is looked up whenever it is used."""

    segment_id: UUID
    name: str
    filter: str
    created_by: str
    created_at: datetime
    updated_at: datetime


class CreateSegment(Request):
    """A filter under a name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "Mooca, reachable",
                    "filter": 'attribute.store = "Mooca" and consent.marketing is granted',
                }
            ]
        }
    )

    name: Name
    filter: FilterText


class ChangeSegment(Request):
    """What is to change; what is not given stays."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"filter": "last_inbound within 30 days"}]}
    )

    name: Name | None = None
    filter: FilterText | None = None


class PreviewSegment(Request):
    """A filter to try."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"filter": "last_inbound within 30 days"}]}
    )

    filter: FilterText


class SegmentPerson(Answer):
    """A person of a sample, without address, name and personal attributes."""

    contact_id: UUID
    country: str | None
    language: str | None
    attributes: dict[str, str] = Field(description="Declared ones that aren't personal.")
    created_at: datetime


class SegmentPreview(Answer):
    """Whom a filter means at this moment."""

    people: int
    sample: list[SegmentPerson] = Field(description="Up to 20, those who came last.")
