"""What the plans slice gives."""

from uuid import UUID

from pydantic import Field

from api.dto import Answer


class ParameterError(Answer):
    """One parameter that can't be sent so."""

    parameter: str = Field(description="As in the campaign, or `body`, `header` for its length.")
    code: str
    advice: str


class PlanErrors(Answer):
    """One person's wrong parameters."""

    contact_id: UUID
    variant: str | None
    errors: list[ParameterError]
