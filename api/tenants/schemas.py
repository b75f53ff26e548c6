"""What the tenant slice takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, Instant, Name, Request, Text
from api.scopes import Scope


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


class ApiKey(Answer):
    """An API key; its secret is never shown again."""

    api_key_id: UUID
    name: str
    prefix: str = Field(description="The 8 characters after `ctr_live_`, to recognise a key by.")
    scopes: list[str]
    created_at: datetime
    last_used_at: datetime | None = Field(description="To the minute.")
    expires_at: datetime | None
    revoked_at: datetime | None


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
    scopes: Annotated[
        list[Annotated[Scope, Field(strict=False)]], Field(min_length=1, max_length=32)
    ]
    expires_at: Instant | None = None


class LogIn(Request):
    """Who signs in, to which tenant."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9](-?[a-z0-9])*$", max_length=63)]
    email: Annotated[
        str, Field(pattern=r"^[\x21-\x3f\x41-\x7e]+@[\x21-\x3f\x41-\x7e]+$", max_length=254)
    ]
    password: Annotated[Text, Field(min_length=1, max_length=256)]


class AccessToken(Answer):
    """A bearer token for the other routes."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token, not a secret
    expires_in: int = Field(description="Seconds.")
