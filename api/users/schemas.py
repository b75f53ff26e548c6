"""What the users slice takes and gives."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from api.dto import Answer, Email, Name, Request, Text, not_null
from api.scopes import Role

RoleField = Annotated[Role, Field(strict=False, description="What the person may do: see docs.")]
Password = Annotated[Text, Field(min_length=1, max_length=256)]


class UserStatus(StrEnum):
    """Whether somebody can sign in, and if not, why."""

    INVITED = "invited"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REMOVED = "removed"


class Presence(StrEnum):
    """What a person who has joined can be made."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class User(Answer):
    """A person of the tenant; of one who left, the address is gone."""

    user_id: UUID
    email: str | None
    name: str
    role: Role
    status: UserStatus
    invited_by: str | None = Field(description="`user:<id>`, `api_key:<id>` or `operator`.")
    invitation_expires_at: datetime | None
    created_at: datetime
    joined_at: datetime | None
    removed_at: datetime | None


class Me(Answer):
    """Who has signed in, and what the role allows."""

    user: User
    scopes: list[str]


class InviteUser(Request):
    """Somebody to invite."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "rui@example.com", "name": "Rui Melo", "role": "marketer"}]
        }
    )

    email: Email
    name: Name
    role: RoleField


class Invitation(Answer):
    """An invitation just made; `token` is shown this once. Nothing is sent: give it to them."""

    user: User
    token: str = Field(description="For POST /v1/invitations/accept, once, for 7 days.")


class AcceptInvitation(Request):
    """The token of an invitation and the password to sign in with."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"token": "ctr_invite_AZq-...XQ", "password": "seven brown loaves on a shelf"}
            ]
        }
    )

    token: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]
    password: Password
    name: Name | None = None


class Joined(Answer):
    """What to sign in with from now on, besides the password."""

    slug: str
    user: User


class ChangeUser(Request):
    """What to change of a person; what isn't named stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "approver"}]})

    name: Name | None = Field(default=None, json_schema_extra=not_null)
    role: RoleField | None = Field(default=None, json_schema_extra=not_null)
    status: Annotated[Presence, Field(strict=False)] | None = Field(
        default=None, json_schema_extra=not_null
    )

    @model_validator(mode="after")
    def _nothing_is_taken_away(self) -> "ChangeUser":
        if any(getattr(self, name) is None for name in self.model_fields_set):
            raise PydanticCustomError("null_field", "a person always has a name, role and status")
        return self


class ChangePassword(Request):
    """The password you have, and the one you want."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "current_password": "seven brown loaves on a shelf",
                    "new_password": "eight white rolls in a basket",
                }
            ]
        }
    )

    current_password: Password
    new_password: Password
