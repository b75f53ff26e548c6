"""What the audit slice takes and gives."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import Field

from api.dto import Answer


class AuditEntry(Answer):
    """Who did what to what."""

    entry_id: UUID
    at: datetime
    actor: str = Field(
        description="`user:<id>`, `api_key:<id>`, or `operator:<name>` for people of the platform.",
        examples=["user:019a0000-0000-7000-8000-000000000001"],
    )
    actor_kind: str = Field(description="`user`, `api_key`, `operator` or `system`.")
    operation: str = Field(
        description="The `operationId` of this document, or the operator's command.",
        examples=["launch_campaign"],
    )
    target_kind: str = Field(examples=["campaign"])
    target_id: str
    request_id: UUID | None = Field(description="The `X-Request-Id` of the answer.")
    address_digest: str | None = Field(
        description="Alike for two requests that came from one address; keyed, so it tells no more."
    )
    outcome: str
    details: dict[str, object] = Field(description="Ids, names of fields, counts.")
    sequence: int | None = Field(description="Its place in the chain; null until it is sealed.")
    entry_hash: str | None = Field(description="SHA-256 over the entry and the hash before it.")


_Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
Actor = Annotated[_Line | None, Query(description="Whose changes, as `actor` names them.")]
Operation = Annotated[_Line | None, Query(description="One operation, by its name.")]
TargetKind = Annotated[_Line | None, Query(description="What kind of thing was changed.")]
TargetId = Annotated[_Line | None, Query(description="Which thing was changed.")]
AfterSequence = Annotated[
    int, Query(ge=0, le=2**62, description="Only entries behind this place; 0: all of them.")
]
