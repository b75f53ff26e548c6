"""What the sessions slice takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field

from api.dto import Answer, Email, Line, Request, Text

_SLUG = "padaria-aurora"


class LogIn(Request):
    """Who signs in, to which tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "slug": _SLUG,
                    "email": "ana@example.com",
                    "password": "seven brown loaves on a shelf",
                }
            ]
        }
    )

    slug: Annotated[Line, Field(max_length=63, description="The tenant's short name.")]
    email: Annotated[
        Email, Field(description="Capitals and compatible letters make no difference.")
    ]
    password: Annotated[Text, Field(min_length=1, max_length=256)]


class Refresh(Request):
    """The newest refresh token of a session."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"refresh_token": "ctr_refresh_AZq-...XQ"}]}
    )

    refresh_token: Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")]


class Tokens(Answer):
    """A bearer token for the other routes, and what the next one is got with."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the kind of token, not a secret
    expires_in: int = Field(description="Seconds that the access token is good for.")
    refresh_token: str = Field(description="Works once: POST /v1/token/refresh gives the next.")
    refresh_expires_at: datetime = Field(description="Unless it is used before.")
    session_id: UUID


class Session(Answer):
    """One of your sessions that still lives."""

    session_id: UUID
    client: str | None = Field(description="What the program that signed in called itself.")
    created_at: datetime
    last_used_at: datetime = Field(description="When its tokens were last renewed.")
    idle_until: datetime = Field(description="It ends then unless its tokens are renewed.")
    ends_at: datetime = Field(description="It ends then at the latest.")
    current: bool = Field(description="Whether this request was made in it.")


class PublicKey(Answer):
    """The public half of a key (RFC 7517, RFC 8037)."""

    kid: str
    kty: str
    crv: str
    x: str
    use: str
    alg: str


class KeySet(Answer):
    """The keys that access tokens may be signed with, now or next."""

    keys: list[PublicKey]
