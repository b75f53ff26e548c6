"""What the contacts slice takes and gives."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from api.bulk import MOST_ITEMS
from api.dto import Answer, Attributes, Id, Language, Line, Name, Phone, Request

ImportStatus = Literal["queued", "running", "finished", "failed"]


class Contact(Answer):
    """One person."""

    contact_id: UUID
    address: str = Field(description="E.164 with +, or a business-scoped user id.")
    country: str | None
    name: str | None
    language: str | None
    timezone: str | None
    attributes: dict[str, str]
    created_at: datetime
    updated_at: datetime


class SavedContact(Answer):
    """A person as stored, and whether the call made a new one."""

    contact: Contact
    created: bool


class SaveContact(Request):
    """A person by phone number: made when unknown, filled in when known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"phone": "+55 11 98765-4321", "name": "Ana", "attributes": {"order": "1042"}},
            ]
        }
    )

    phone: Phone
    name: Line | None = None
    language: Language | None = None
    attributes: Attributes = Field(default_factory=dict)
    list_id: Id | None = Field(default=None, description="Put the person on this list too.")


class SaveContacts(Request):
    """Up to 1,000 people; each is saved or refused by itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"phone": "+55 11 98765-4321", "name": "Ana"},
                        {"phone": "+351 912 345 678", "attributes": {"store": "Porto"}},
                    ]
                }
            ]
        }
    )

    items: Annotated[list[SaveContact], Field(min_length=1, max_length=MOST_ITEMS)]


class ChangeMember(Request):
    """A person to put on the list, or to take off it."""

    contact_id: Id
    action: Literal["add", "remove"]


class ChangeMembers(Request):
    """Up to 1,000 changes of a list; each is carried out or refused by itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"items": [{"contact_id": "019a0000-0000-7000-8000-000000000000", "action": "add"}]}
            ]
        }
    )

    items: Annotated[list[ChangeMember], Field(min_length=1, max_length=MOST_ITEMS)]


class ContactList(Answer):
    """A named list of people."""

    list_id: UUID
    name: str
    created_at: datetime
    members: int


class CreateList(Request):
    """A list by name; the name of an existing list gives that list."""

    name: Name


class Import(Answer):
    """An import and its counts: read = created + updated + unchanged + merged + refused."""

    import_id: UUID
    list_id: UUID | None = Field(description="Null for a dry run.")
    file_name: str | None
    status: ImportStatus
    dry_run: bool = Field(description="Counts and the row-level file only: nothing was changed.")
    file_bytes: int | None = Field(description="How large the file is.")
    bytes_read: int = Field(description="How much of it has been worked off.")
    rows_read: int
    rows_created: int = Field(description="People who were new.")
    rows_updated: int = Field(description="Known people of whom the row said something new.")
    rows_unchanged: int = Field(description="Known people of whom the row said nothing new.")
    rows_merged: int = Field(description="Further rows of a person who is in the file already.")
    rows_refused: int
    refused_by_reason: dict[str, int]
    failure: str | None
    created_at: datetime
    finished_at: datetime | None
