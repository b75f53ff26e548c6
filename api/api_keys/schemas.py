"""What the API keys slice takes and gives."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, Instant, Name, Request
from api.scopes import Scope

Scopes = Annotated[list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=64)]
_LONGEST_OVERLAP_SECONDS = 30 * 86_400


class KeyState(StrEnum):
    """Whether a key still opens anything, and if not, why."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


class ApiKey(Answer):
    """An API key; its secret is never shown again."""

    moving: ClassVar[frozenset[str]] = frozenset({"last_used_at"})

    api_key_id: UUID
    name: str
    prefix: str = Field(description="The 8 characters after `ctr_live_`, to recognise a key by.")
    scopes: list[str] = Field(description="It may do these as far as its maker may do them now.")
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    expires_at: datetime | None
    revoked_at: datetime | None
    made_by: str = Field(
        description="The person who answers for it; an operator's key answers for itself."
    )
    rotated_from: UUID | None = Field(description="The key that this one took the place of.")


class NewApiKey(Answer):
    """A key just made; `secret` is shown this once."""

    api_key: ApiKey
    secret: str


class CreateApiKey(Request):
    """A key with some of the scopes that its maker has."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "shop integration", "scopes": ["messages:send", "contacts:write"]},
            ]
        }
    )

    name: Name
    scopes: Scopes
    expires_at: Instant | None = None


class ChangeApiKey(Request):
    """What to change of a key; what isn't named stays. `expires_at: null` means without end."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"scopes": ["messages:send"]}]})

    name: Name | None = None
    scopes: Scopes | None = None
    expires_at: Instant | None = None


class RotateApiKey(Request):
    """How long the old secret works beside the new one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap_seconds": 86400}]})

    overlap_seconds: Annotated[int, Field(ge=0, le=_LONGEST_OVERLAP_SECONDS)] = 86_400
    expires_at: Instant | None = Field(
        default=None, description="When the new key ends; null: as the old one would have."
    )
