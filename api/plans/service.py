"""Reads what a plan found wrong."""

from uuid import UUID

from api.deps import Caller
from api.dto import Answer, Page
from api.pagination import Pager
from api.plans.schemas import ParameterError, PlanErrors
from api.rows import fetch_all, fetch_known
from core.domain.parameter_rules import ADVICE, RuleCode
from core.store.queries import load

_sql = load("plan_runs")


class _Known(Answer):
    campaign_id: UUID


class _Error(Answer):
    parameter: str
    code: RuleCode


class _Person(Answer):
    contact_id: UUID
    variant: str | None
    errors: list[_Error]


async def list_errors(caller: Caller, campaign_id: UUID, pager: Pager) -> Page[PlanErrors]:
    """One page of people, in the order of their ids. Raises NotFound for a strange campaign."""
    place = {"tenant_id": caller.tenant_id, "campaign_id": campaign_id}
    async with caller.transaction() as connection:
        await fetch_known(connection, _Known, _sql.find_campaign, place, what="campaign")
        people = await fetch_all(
            connection,
            _Person,
            _sql.list_errors,
            {**place, "after": pager.after_id, "limit": pager.fetch},
        )
    return pager.page([_shown(person) for person in people], lambda person: person.contact_id)


def _shown(person: _Person) -> PlanErrors:
    return PlanErrors(
        contact_id=person.contact_id,
        variant=person.variant,
        errors=[
            ParameterError(
                parameter=error.parameter, code=error.code.value, advice=ADVICE[error.code]
            )
            for error in person.errors
        ],
    )
